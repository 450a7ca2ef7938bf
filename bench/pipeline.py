"""What the pipeline costs besides its work: python bench/pipeline.py [--json FILE] [--project FOLDER] [--counts N ...].

The DAG of the project in FOLDER (this one, or a checkout of another revision with its own .venv) trains N runs, each of
which does nothing for a second: all are queued at once, and two cores do them. For each N, one line:
  seconds   from `snakemake` to its end
  start     until the first run begins: the plan, corpus, check and Ray
  overhead  core-seconds that each run after the first takes beyond its second
  memory    MB, at most, of all that waits: Snakemake and what hands runs to Ray, without Ray itself and the runs
  cpu       core-seconds of the same
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from lnf.system import provenance

ROOT = Path(__file__).resolve().parent.parent
CORES = 2
OVERLAY = """
name: tiny
select: {{corpora: [markov], priors: [lstm], seeds: {seeds}}}
toy: null
speed: null
bounds: null
corpora: {{markov: {{prepare: {{sequences: {{train: 240, valid: 30, test: 30}}, max_length: 12}}}}}}
overrides: {{all: {{resources: {{memory_gb: 0.1}}}}}}
"""
IDLE = '''

def train(out, **spec):
    """Do nothing for a second."""
    import time
    (out / "begun").touch()
    time.sleep(1.0)
    (out / "run.json").write_text('{"status": "idle", "stopped": "at once"}')
    for name in ("model.pt", "history.parquet"):
        (out / name).touch()
'''
NO_PART = ("ray::", "/ray/", "ray.scripts", "lnf prepare", "lnf check", "lnf.tracking")
"""What command lines hold of processes that are no part of what waits: Ray's own, whose children the runs are, jobs
that are done next to Snakemake, and what fills MLflow.
"""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--project", type=Path, default=ROOT)
    parser.add_argument(
        "--clients", action="store_true", help="--cores N for N runs: a revision whose queue is of clients"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for count in arguments.counts:
        row = {"runs": count, **measured(arguments.project.resolve(), count, count if arguments.clients else CORES)}
        if rows:
            more = count - rows[0]["runs"]
            row["overhead"] = CORES * (row["seconds"] - rows[0]["seconds"]) / more - 1.0
        rows.append(row)
        print(", ".join(f"{name} {value:.2f}" for name, value in row.items()), flush=True)
    if arguments.json:
        facts = {"revision": provenance.revision(arguments.project).text, "machine": provenance.machine()}
        arguments.json.write_text(json.dumps({**facts, "when": time.time(), "rows": rows}, indent=1) + "\n", "utf-8")


def measured(project: Path, count: int, in_flight: int) -> dict[str, float]:
    """One workflow of idle runs in a new folder."""
    with tempfile.TemporaryDirectory(prefix="lnf-bench-") as name:
        folder = Path(name, "project")
        _copy(project, folder)
        (folder / "overlay.yaml").write_text(OVERLAY.format(seeds=list(range(count))), encoding="utf-8")
        snakemake = [str(project / ".venv" / "bin" / "python"), "-m", "snakemake", "--configfile", "overlay.yaml"]
        command = [*snakemake, "--cores", str(max(CORES, in_flight)), "--until", "train"]
        found = _watch(command, folder)
        begun = [path.stat().st_mtime for path in folder.glob("results/tiny/markov/lstm/*/*/begun")]
        done = list(folder.glob("results/tiny/markov/lstm/*/*/run.json"))
        assert len(done) == count, f"{len(done)} of {count} runs are done; see {folder}"
        return {"seconds": found["seconds"], "start": min(begun) - found["began"], "memory": found["memory"],
                "cpu": found["cpu"]}  # fmt: skip


def _copy(project: Path, folder: Path) -> None:
    """The revision that a project's folder has checked out, with runs that do nothing."""
    subprocess.run(["git", "clone", "--quiet", str(project), str(folder)], check=True)
    steps = folder / "lnf" / "app" / "steps.py"
    steps.write_text(steps.read_text(encoding="utf-8") + IDLE, encoding="utf-8")


def _watch(command: list[str], folder: Path) -> dict[str, float]:
    """Run a workflow to its end, and look at what waits twice a second."""
    began, memory, cpu = time.time(), 0.0, dict[tuple[int, float], float]()
    with (folder / "snakemake.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            memory_now = 0.0
            for waiting in _waiting(psutil.Process(process.pid)):
                try:
                    memory_now += waiting.memory_full_info().pss / 1e6
                    times = waiting.cpu_times()
                    cpu[waiting.pid, waiting.create_time()] = times.user + times.system
                except psutil.Error:  # ended meanwhile
                    continue
            memory = max(memory, memory_now)
            time.sleep(0.5)
    assert process.returncode == 0, (folder / "snakemake.log").read_text(encoding="utf-8")[-2000:]
    return {"began": began, "seconds": time.time() - began, "memory": memory, "cpu": sum(cpu.values())}


def _waiting(process: psutil.Process) -> Iterator[psutil.Process]:
    """A process and its descendants that are a part of what waits."""
    try:
        if any(part in " ".join(process.cmdline()) for part in NO_PART):
            return
        yield process
        for child in process.children():
            yield from _waiting(child)
    except psutil.Error:  # ended meanwhile
        return


if __name__ == "__main__":
    main()
