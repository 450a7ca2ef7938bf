"""What the pipeline costs beside its work: python bench/pipeline.py [FILE.json]. Some two minutes.

Tiny LSTMs on the embedded Markov text, one core, each workflow in a new folder: one run, then six. Printed, and written
to FILE.json:
  first_step  seconds from `snakemake` until the first run begins to train: corpus, check, Ray's head, worker
  train       seconds of a training job beyond its training, mean of the later five
  dispatch    seconds between jobs, a run and its evaluation: (six runs - one) / 5, less the jobs themselves
  light       seconds of the longer one of two light jobs, numbers gathered and tables
  no_op       seconds of the same command again
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lnf.system import provenance

ROOT = Path(__file__).resolve().parent.parent
OVERLAY = """
name: tiny
select: {{corpora: [markov], priors: [lstm], seeds: {seeds}}}
toy: null
speed: null
corpora: {{markov: {{prepare: {{sequences: {{train: 240, valid: 30, test: 30}}, max_length: 12}}}}}}
overrides:
  all:
    model: {{latent: 4, hidden: 16, embedding: 16, layers: 1}}
    train: {{epochs: 5, batch: 16, valid_batch: 32}}
    resources: {{memory_gb: 0.5}}
"""
TARGETS = {"train": 3.5, "no_op": 5.0}


def main() -> None:
    """Measure, print and write."""
    one, six = (workflow(list(range(count))) for count in (1, 6))
    later = sorted(six["train"], key=lambda job: job["started"])[1:]  # Ray's head starts in the first
    trained = [job["seconds"] - job["work"] for job in later]
    jobs = sum(job["seconds"] for job in later) / 5 + sum(job["seconds"] for job in six["evaluate"]) / 6
    found = {
        "first_step": one["first_step"],
        "train": sum(trained) / len(trained),
        "dispatch": (six["seconds"] - one["seconds"]) / 5 - jobs,
        "light": max(job["seconds"] for job in six["light"]),
        "no_op": six["no_op"],
    }
    for name, seconds in found.items():
        aim = TARGETS.get(name)
        judged = "" if aim is None else f"   {aim:g} {'reached' if seconds <= aim else 'not reached'}"
        print(f"{name:12} {seconds:6.2f} s{judged}")
    if len(sys.argv) > 1:
        facts = {"revision": provenance.revision(ROOT).text, "machine": provenance.machine(), "when": time.time()}
        Path(sys.argv[1]).write_text(json.dumps(found | facts, indent=1) + "\n", encoding="utf-8")


def workflow(seeds: list[int]) -> dict[str, Any]:
    """Seconds of a whole workflow, of its jobs, until its first run began, and of the same command again."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "overlay.yaml").write_text(OVERLAY.format(seeds=seeds), encoding="utf-8")
        begun = time.time()
        seconds = timed(folder)
        runs = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in folder.glob("results/tiny/markov/lstm/*/*/run.json")
        ]
        jobs = {
            what: [job(path) for path in folder.glob(f"benchmarks/tiny/markov/lstm/*/*.{what}*.tsv")]
            for what in ("train", "evaluate")
        }
        jobs["light"] = [job(folder / f"benchmarks/tiny/{name}.tsv") for name in ("gather", "tables")]
        for one in jobs["train"]:
            facts = next(run for run in runs if str(run["seed"]) == one["seed"])
            one |= {"work": facts["wall_seconds"], "started": facts["started"]}
        first_step = min(run["started"] for run in runs) - begun
        return {"seconds": seconds, "first_step": first_step, "no_op": timed(folder), **jobs}


def timed(folder: Path) -> float:
    """Seconds of `snakemake` on one core."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--cores", "1", "--configfile", str(folder / "overlay.yaml")], check=True, capture_output=True
    )
    return time.perf_counter() - start


def job(path: Path) -> dict[str, Any]:
    """Seconds of a job and the seed of its run, from Snakemake's record of it."""
    with path.open(encoding="utf-8") as lines:
        (row,) = csv.DictReader(lines, delimiter="\t")
    return {"seconds": float(row["s"]), "seed": path.parent.name}


if __name__ == "__main__":
    main()
