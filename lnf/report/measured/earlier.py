"""What was kept before and still counts: results lie on one machine, and a configuration may need several."""

import csv
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan.digests import train_identity
from lnf.plan.run import Run
from lnf.report.measured.kept import Facts, place, read_bounds
from lnf.spec import Spec
from lnf.system.files import read_json, try_read_json


def facts_before(folder: Path, run: Run) -> Facts | None:
    """run.json of a run that `folder` keeps, if it had the settings and the data that `run` has; else None.

    Code does not count: what is kept says which revision made it. A setting that came later counts at its default.
    """
    facts: Facts | None = try_read_json(place(folder, _names(run)) / "run.json")
    if facts is None or facts["digests"]["data"] != run.context.digests["data"]:
        return None
    try:
        spec = Spec.from_dict(facts["spec"])
    except UserError:
        return None
    return facts if _identity(spec) == _identity(run.spec) else None


def corpora_before(folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Corpus -> what is kept of its data, of those whose data are the same; `digests` has today's."""
    plan = folder / "plan.json"
    kept: dict[str, Any] = read_json(plan)["corpora"] if plan.exists() else {}
    return {name: facts for name, facts in kept.items() if facts["digest"] == digests.get(name)}


def bounds_before(folder: Path, run: Run) -> list[dict[str, str]]:
    """The bounds kept of a run's model."""
    name = (run.spec.corpus, run.spec.prior.name)
    return [row for row in read_bounds(folder) if (row["corpus"], row["prior"]) == name]


def references_before(folder: Path, corpora: Collection[str]) -> list[dict[str, str]]:
    """What generated corpora say of themselves, of those in `corpora`."""
    path = folder / "references.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["corpus"] in corpora]


def _names(run: Run) -> dict[str, Any]:
    return {"corpus": run.spec.corpus, "prior": run.spec.prior.name, "seed": run.spec.seed}


def _identity(spec: Spec) -> dict[str, Any]:
    """All that the numbers of a run depend on, but code and data."""
    return train_identity(spec) | {"evaluate": [spec.evaluate.samples, spec.evaluate.seed]}
