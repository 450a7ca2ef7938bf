"""A copy of the project in a folder of its own, for tests that run its pipeline, change its sources, and kill it."""

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import psutil
import pyarrow.parquet
import yaml

from tests.patience import LIMIT_S

ROOT = Path(__file__).resolve().parent.parent
INHERITED = ("LNF_", "RAY_", "MLFLOW_", "PYTHONPATH")

PRIORS = ("lstm", "af_scf")
OVERLAY: dict[str, Any] = {
    "name": "tiny",
    "select": {"corpora": ["markov"], "priors": ["lstm", "af_scf"], "seeds": [0]},
    "toy": None,
    "speed": None,
    "bounds": None,
    "corpora": {"markov": {"prepare": {"options": {"train": 240, "valid": 30, "test": 30}, "max_length": 12}}},
    "overrides": {
        "all": {
            "model": {"latent": 4, "hidden": 16, "embedding": 16, "layers": 1, "flow_layers": 1, "flow_hidden": 8},
            "train": {"epochs": 5, "batch": 16, "valid_batch": 32, "kl_floor_epochs": 1, "kl_ramp_epochs": 2},
            "evaluate": {"samples": 5},
            "resources": {"memory_gb": 0.5},
        },
        "priors": {"lstm": {"train": {"learning_rate": 2.0}}, "af_scf": {"train": {"epochs": 40, "elbo_samples": 2}}},
    },
}
"""Two runs on a few short sequences: the LSTM's lasts a second, the flow's long enough to be killed in the middle."""


class Project:
    """The working tree's files, as git would list them, copied to `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        self._folders: dict[tuple[str, str], Path] = {}
        self._always: dict[str, Any] = {}
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(INHERITED)}

    def overlay(self, **changes: Any) -> str:
        """Write an overlay: OVERLAY with dotted keys (`__` for the dot) replaced; its file name."""
        values = json.loads(json.dumps(OVERLAY))
        for dotted, value in {**self._always, **changes}.items():
            *parts, last = dotted.split("__")
            place = values
            for part in parts:
                place = place.setdefault(part, {})
            place[last] = value
        (self.folder / "overlay.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        return "overlay.yaml"

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """`python -m ARGUMENTS`, as under a terminal: in a process group of its own."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str]:
        """The status and the output of `python -m ARGUMENTS`."""
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=LIMIT_S)
        return process.returncode, out

    def workflow(self, **changes: Any) -> "subprocess.Popen[str]":
        """What `make run` starts."""
        return self.start("lnf", "run", "--configfile", self.overlay(**changes), "--cores", "2")

    def without(self, *parts: Literal["ray", "mlflow"]) -> "Project":
        """The same project whose workflows from now on take half the time: for tests of neither of these parts.

        Without Ray, Snakemake's own executor starts the jobs; without MLflow, nothing is mirrored, and the report,
        which shows the configuration, is another.
        """
        if "ray" in parts:
            profile = self.folder / "profiles" / "default" / "config.yaml"
            lines = profile.read_text(encoding="utf-8")
            assert "executor: ray\n" in lines
            profile.write_text(lines.replace("executor: ray\n", "executor: local\n"), encoding="utf-8")
        if "mlflow" in parts:
            self._always = {"mlflow": None}
        return self

    def planned(self, *arguments: str, **changes: Any) -> dict[str, int]:
        """Rule -> jobs of a dry run with more of Snakemake's arguments."""
        status, out = self.run("snakemake", "-n", "--cores", "2", "--configfile", self.overlay(**changes), *arguments)
        assert status == 0, out
        jobs = re.findall(r"^(\w+) +(\d+)$", out, re.MULTILINE)
        return {rule: int(count) for rule, count in jobs if rule != "total"}

    def run_folder(self, prior: str, overlay: str = "overlay.yaml") -> Path:
        """The folder of a run's results, as today's sources and the overlay name it."""
        key = (prior, (self.folder / overlay).read_text(encoding="utf-8"))
        if key not in self._folders:
            status, out = self.run("lnf", "spec", "markov", prior, "0", "--configfile", overlay, "--folder")
            assert status == 0, out
            self._folders[key] = self.folder / out.strip()
        return self._folders[key]

    def result(self, prior: str, file: str = "") -> Path:
        """A file of a run; `evaluation` and `sequences` for those of its one evaluation."""
        folder = self.run_folder(prior)
        if file in ("evaluation", "sequences"):
            found = list(folder.glob(f"{file}-*.parquet"))
            return found[0] if len(found) == 1 else folder / f"{file}-none.parquet"
        return folder / file

    def epochs(self, prior: str) -> int:
        """Epochs that a run which trains has behind it."""
        history = self.result(prior, "state/history.jsonl")
        try:
            return len(history.read_text().splitlines())
        except FileNotFoundError:
            return 0

    def identities(self, prior: str) -> dict[str, tuple[int, int]]:
        """File -> (inode, time of change) of a run's files."""
        stats = {path.name: path.stat() for path in sorted(self.result(prior).iterdir()) if path.is_file()}
        return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}

    def rows(self, prior: str, file: str) -> list[dict[str, Any]]:
        """The rows of a run's parquet file."""
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(self.result(prior, file)).to_pylist()
        return rows

    def table(self, name: str = "text") -> list[dict[str, str]]:
        """The rows of a table."""
        path = self.folder / "reports" / "out" / "tiny" / "tables" / f"{name}.csv"
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    def statuses(self) -> dict[str, str]:
        """Prior -> its status in the table of texts."""
        return {row["prior"]: row["status"] for row in self.table()}

    def copy(self, folder: Path, *places: str) -> "Project":
        """A fresh clone with what lies in some places of this one copied into it."""
        other = Project(folder)
        for place in places:
            shutil.copytree(self.folder / place, folder / place)
        return other

    def processes(self) -> list[psutil.Process]:
        """Whatever works for this project: all descend from a workflow that put it on PYTHONPATH."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("PYTHONPATH") == str(self.folder):
                    found.append(process)
            except psutil.Error:  # ended meanwhile, or another user's
                continue
        return found

    def worker(self, stage: str) -> int | None:
        """The process that does a job of a stage, if one does."""
        return self._process(lambda words: words[1:4] == ["-m", "lnf", stage])

    def part(self, name: str) -> int | None:
        """The process of this project's Ray that runs a program of that name."""
        return self._process(lambda words: bool(words) and Path(words[0]).name == name)

    def _process(self, fits: Callable[[list[str]], bool]) -> int | None:
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                if fits(process.cmdline()):
                    return process.pid
        return None

    def close(self) -> None:
        """Leave nothing behind, whatever a failed test left."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                process.kill()
