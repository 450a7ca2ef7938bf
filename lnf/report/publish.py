"""The views of a plan, copied to where people look: reports/out/NAME/{report.html, tables, figures, samples}.

The views themselves lie in folders named by what they were made of. A file `published-DIGEST.json` says which are
shown; it is gone when another plan's are.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from lnf.plan.jobs import SPEC
from lnf.plan.stages import SWEEP
from lnf.system.files import write_json

PAGE = "page"
"""The view whose files are at the top of the folder; each other one is a folder of its stage's name."""


def publish(views: Mapping[str, str], marker: str | None, out: Path) -> None:
    """Copy views (place below `out` -> folder) to `out` and, last, say so in the file `marker`; None: they are of no
    whole plan.
    """
    out.mkdir(parents=True, exist_ok=True)
    for outdated in out.glob("published-*.json"):
        outdated.unlink()
    shutil.rmtree(out / SWEEP, ignore_errors=True)  # another configuration of this name may have had one
    for place, folder in views.items():
        if place == PAGE:
            for file in (file for file in Path(folder).iterdir() if file.is_file() and file.name != SPEC):
                shutil.copyfile(file, out / file.name)
        else:
            shutil.rmtree(out / place, ignore_errors=True)
            shutil.copytree(folder, out / place, ignore=shutil.ignore_patterns(SPEC))
    if marker is not None:
        write_json(out / marker, {"views": dict(views)})
    print(f"lnf: report: {out / 'report.html'}", flush=True)
