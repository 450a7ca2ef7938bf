"""What the page shows of each run: its outcome, its origin, its files and its MLflow run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import DataFrame

from lnf.report.frames import records
from lnf.system.files import digest, read_json

Run = Mapping[str, Any]
SECONDS_A_MINUTE = 60


def runs_of(runs: Sequence[Run], metrics: DataFrame, out: Path) -> list[dict[str, Any]]:
    """A line for each run: names, status, facts of run.json, NLL on test (in a sweep on valid), link to its folder."""
    rows = records(metrics)
    split = "test" if "test" in set(metrics.split) else "valid"
    nll = {(row.corpus, row.prior, row.seed): row.value for row in rows if (row.split, row.metric) == (split, "nll")}
    status = {(row.corpus, row.prior, row.seed): row.status for row in rows}
    lines = []
    for run in runs:
        key = (run["corpus"], run["prior"], run["seed"])
        facts = _facts(Path(run["folder"]), "run.json")
        lines.append({
            **{name: run[name] for name in ("corpus", "prior", "label", "seed", "kind", "digests", "folder")},
            "digest": digest(run["digests"]),
            "status": status.get(key, "not_run"),
            "nll": nll.get(key),
            "minutes": facts["wall_seconds"] / SECONDS_A_MINUTE if facts else None,
            "link": _link(Path(run["folder"]), out),
            "facts": facts,
            "mlflow": _facts(Path(run["folder"]), "mlflow.json"),
            "failure": _failure(run, status.get(key, "not_run")),
        })  # fmt: skip
    return lines


def setting(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of all runs together: revisions and machines with their numbers of runs, versions, hours, statuses."""
    facts = [line["facts"] for line in lines if line["facts"]]
    return {
        "revisions": Counter(one["revision"] for one in facts),
        "machines": Counter(machine_of(one) for one in facts),
        "versions": sorted({f"{name} {version}" for one in facts for name, version in one["versions"].items()}),
        "hours": sum(one["wall_seconds"] for one in facts) / 3600,
        "statuses": Counter(line["status"] for line in lines),
        "differs": sorted({key for one in facts for key in one["differs_from_paper"]}),
    }


def _facts(folder: Path, name: str) -> dict[str, Any] | None:
    facts: dict[str, Any] | None = read_json(folder / name) if (folder / name).exists() else None
    return facts


def machine_of(facts: Mapping[str, Any]) -> str:
    """Processor, cores, device and threads of a run, from its run.json."""
    machine = facts["machine"]
    cores = f"{machine['cores']} cores" if machine["cores"] != 1 else "1 core"
    where = f"{machine['gpu']}, " if machine.get("gpu") and facts["device"] != "cpu" else ""
    return f"{where}{machine['processor']}, {cores}, {facts['device']}, {facts['threads']} thread(s) a run"


def _failure(run: Run, status: str) -> dict[str, str] | None:
    """What went wrong in training or evaluation, and where its log is; None if nothing did."""
    folder = Path(run["folder"])
    facts, error = _facts(folder, "run.json"), _facts(folder / "state", "error.json")
    step = "train" if facts is None else f"evaluate-{run['evaluation']}"
    logs = Path("logs", *folder.parts[1:])
    if status == "error" and error:
        return {"what": f"{error['error']}: {error['message']}", "log": f"{logs}.{step}.log"}
    if facts and facts["status"] != "ok":
        return {"what": f"{facts['status']}: {facts['stopped']}", "log": f"{logs}.train.log"}
    return None


def _link(folder: Path, out: Path) -> str:
    """The folder as seen from the page's own."""
    return "/".join([*[".."] * len(out.parts), *folder.parts])
