"""Settings tried on one model, scored on valid alone: python bench/tries.py TRIES.yaml OUT.csv [--beside 2].

TRIES.yaml: corpus, prior, seed, base (settings that all tries share, as `overrides.all` of a configuration), tries
(name -> settings over base). Each try is a run below results/tries that goes on where it was cut; it is scored on valid
alone, as an evaluation would, so nothing here reads test. OUT.csv gets a line a try, the best NLL on valid first, those
that diverged or failed last; a try that it has already, other than a failed one, is not made again.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import yaml

from lnf.corpora import loading
from lnf.plan import config
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.runs import checkpoint
from lnf.runs.evaluation import score, summary
from lnf.runs.machine import settle
from lnf.system.files import read_json, replacing, write_json

COLUMNS = ("name", "settings", "corpus", "prior", "seed", "status", "epochs", "best_epoch", "valid_loss",
           "valid_nll", "hours", "revision")  # fmt: skip

SCORE = "score.json"


def main() -> None:
    """Train every try that is not trained, so many at once, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tries", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--beside", type=int, default=1, help="runs at once")
    arguments = parser.parse_args()
    asked = yaml.safe_load(arguments.tries.read_text(encoding="utf-8"))
    before = rows_before(arguments.out, asked)
    plans = {name: plan_of(asked, asked["tries"][name] or {}) for name in asked["tries"] if name not in before}
    for plan in list(plans.values())[:1]:
        prepare(plan)
    failures = 0
    with ThreadPoolExecutor(arguments.beside) as pool:
        for name, failed in pool.map(lambda item: (item[0], make(*item)), plans.items()):
            print(f"tries: {name}: {failed or 'trained'}", flush=True)
            failures += bool(failed)
            write(arguments.out, [*before.values(), *rows_of(asked, plans)])
    if failures:
        sys.exit(f"tries: {failures} of {len(asked['tries'])} failed; the same command tries them again")


def plan_of(asked: Mapping[str, Any], settings: Mapping[str, Any]) -> Plan:
    """The plan of one try."""
    select = {"corpora": [asked["corpus"]], "priors": [asked["prior"]], "seeds": [asked["seed"]]}
    overrides = {"overrides": {"all": config.merge(asked["base"], settings)}}
    return Plan(config.load(config.merge(config.read(), {"name": "tries", "select": select, **overrides})))


def prepare(plan: Plan) -> None:
    """Prepare the corpus, if it is not there."""
    (corpus,) = plan.corpora.values()
    if not all(path.exists() for path in corpus.files):
        write_json(corpus.folder / "spec.json", corpus.spec)
        subprocess.run([sys.executable, "-m", "lnf", "prepare", str(corpus.folder / "spec.json")], check=True)


def make(name: str, plan: Plan) -> str:
    """Train and score a try, if that is not done; what went wrong, or nothing."""
    (run,) = plan.runs
    failed = train(name, run)
    if not failed and not (run.folder / SCORE).exists():
        ended = read_json(run.folder / "run.json")["status"] == "ok"
        write_json(run.folder / SCORE, {"nll": valid_nll(plan) if ended else None})
    return failed


def valid_nll(plan: Plan) -> float:
    """The NLL on valid of a trained try, by the paper's protocol, in units of its table."""
    (run,), (corpus,) = plan.runs, plan.corpora.values()
    settle(run.spec.resources.cpus)
    model, spec, _ = checkpoint.load(run.folder / "model.pt")
    valid = loading.load(corpus.folder, spec).splits["valid"]
    rows = summary(
        score(model, valid, spec, torch.device("cpu")), "valid", spec.kind, model.exact, spec.evaluate.samples
    )
    return float(next(row["value"] for row in rows if row["metric"] == "nll"))


def train(name: str, run: Run) -> str:
    """Train a run in a process of its own, whose words are passed on; what went wrong, or nothing."""
    if (run.folder / "run.json").exists():
        return ""
    write_json(run.folder / "spec.json", run.to_dict())
    command = [sys.executable, "-m", "lnf", "train", str(run.folder / "spec.json")]
    lines = ["no word"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as training:
        assert training.stdout is not None
        for line in map(str.rstrip, training.stdout):
            lines.append(line)
            print(f"{name}: {line}", flush=True)
    return lines[-1] if training.returncode else ""


def head_of(asked: Mapping[str, Any], name: str) -> dict[str, str]:
    """What a try is: the columns that are known before it is made, as the table has them."""
    settings = json.dumps(config.flatten(config.merge(asked["base"], asked["tries"][name] or {})))
    return {"name": name, "settings": settings, **{key: str(asked[key]) for key in ("corpus", "prior", "seed")}}


def rows_before(out: Path, asked: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> the line that the table has of a try, of those that are still asked for as they were."""
    if not out.exists():
        return {}
    with out.open(newline="", encoding="utf-8") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream) if row["status"] != "error"}
    heads = {name: head_of(asked, name) for name in asked["tries"] if name in rows}
    return {name: rows[name] for name, head in heads.items() if head.items() <= rows[name].items()}


def write(out: Path, rows: list[dict[str, Any]]) -> None:
    """The table of tries that have ended."""
    rows = sorted(rows, key=lambda row: float(row.get("valid_nll") or "inf"))
    with replacing(out) as scratch, scratch.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def rows_of(asked: Mapping[str, Any], plans: Mapping[str, Plan]) -> Iterator[dict[str, Any]]:
    """A line of each try that is scored, diverged or failed."""
    for name, plan in plans.items():
        run = plan.runs[0]
        row = head_of(asked, name)
        if (run.folder / SCORE).exists():
            facts = read_json(run.folder / "run.json")
            yield row | {
                "valid_loss": facts["best_valid_loss"],
                "valid_nll": read_json(run.folder / SCORE)["nll"],
                "hours": f"{facts['wall_seconds'] / 3600:.2f}",
                **{key: facts[key] for key in ("status", "epochs", "best_epoch", "revision")},
            }
        elif run.status == "error":
            yield row | {"status": "error"}


if __name__ == "__main__":
    main()
