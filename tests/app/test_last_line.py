"""What a step says at its end."""

from pathlib import Path

import pytest

from lnf.app.steps import last_line
from lnf.plan.run import Run
from lnf.system.files import write_json
from tests.specs import tiny_spec
from tests.tiny_corpus import context


@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_a_run_that_diverged_gives_no_number(step: str, tmp_path: Path) -> None:
    spec = tiny_spec("af_af")
    write_json(tmp_path / "run.json", {"status": "diverged", "stopped": "loss not finite after 3 smaller steps"})
    said = last_line(step, Run(spec, context(spec), tmp_path / "data", "e1"), tmp_path)  # type: ignore[arg-type]
    assert said == f"lnf: {spec.key}: diverged: loss not finite after 3 smaller steps; {tmp_path / 'run.json'}"
