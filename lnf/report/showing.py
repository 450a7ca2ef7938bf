"""Files at a fixed place, kept from being taken for another plan's: see `lnf.plan.views`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lnf.system.files import write_json


@contextmanager
def showing(view: str, told: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the folder to write to. What says whose files lie there goes first and comes last.

    `told` is `lnf.plan.results.Plan.told_to_views`; a view of an unfinished plan is named in none of `made`.
    """
    out, made = Path(told["out"]), told["made"].get(view)
    for outdated in (out / "made").glob(f"{view}-*.json"):
        outdated.unlink()
    yield out
    if made:
        write_json(out / "made" / made, {"metrics": told["metrics"]})
