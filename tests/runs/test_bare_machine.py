"""A single run needs PyTorch, numpy, pyarrow and pydantic, and nothing else that is installed (a bare GPU machine)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.plan.config import ROOT
from tests.patience import LIMIT_S
from tests.specs import tiny_spec
from tests.tiny_corpus import prepared

pytestmark = pytest.mark.processes

BARE = """
import sys
for name in "ray snakemake mlflow scipy music21 jsonschema pooch requests psutil yaml".split():
    sys.modules[name] = None  # as if it were not installed
from lnf.app.command_line import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_single_run_needs_no_more_than_it_says(tmp_path: Path) -> None:
    corpus, out = prepared(tmp_path), tmp_path / "run"
    spec = tiny_spec("af_scf").replace(corpus="tiny")
    (tmp_path / "told.json").write_text(json.dumps({"spec": spec.to_dict()}), encoding="utf-8")
    for step in ("train", "evaluate"):
        command = [
            sys.executable,
            "-c",
            BARE,
            step,
            str(tmp_path / "told.json"),
            "--data",
            str(corpus),
            "--out",
            str(out),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()[-1]
        assert said.startswith(f"lnf: {spec.key}: ")
        assert ("nats" if step == "train" else "bpc on test, K = ") in said
        assert any(Path(part).is_file() for part in said.split("; "))
    assert {path.name.partition("-")[0] for path in out.iterdir()} == {
        "model.pt", "history.parquet", "monitor.parquet", "run.json", "evaluation", "sequences", "samples",
    }  # fmt: skip
