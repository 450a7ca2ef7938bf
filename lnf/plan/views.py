"""Views: files at a fixed place that show today's plan. What they were made from names a file beside them.

    reports/out/NAME/tables/{text,ablation,music}.{csv,md,tex}
    reports/out/NAME/figures/*.{pdf,png}
    reports/out/NAME/samples/CORPUS/PRIOR/SEED/*, and samples.json, which says what is where
    reports/out/NAME/report.html, config.json
    reports/out/NAME/made/VIEW-DIGEST.json

The last is gone when another plan's files are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnf.plan.code_digests import Stage, code_digest
from lnf.plan.studies import Study
from lnf.system.files import digest

TABLES = tuple(f"tables/{table}.{form}" for table in ("text", "ablation", "music") for form in ("csv", "md", "tex"))
FIGURE_FORMS = ("pdf", "png")


@dataclass(frozen=True)
class View:
    """Files below `out` that one job writes, and a digest of all that they are made from."""

    stage: Stage
    out: Path
    names: tuple[str, ...]
    made_from: tuple[Any, ...]

    @property
    def made(self) -> str:
        """The name of the file that says that these files are this plan's."""
        return f"{self.stage}-{digest([*self.made_from, code_digest(self.stage)])}.json"

    @property
    def files(self) -> list[Path]:
        """Its files, and last the one that says whose they are."""
        return [*(self.out / name for name in self.names), self.out / "made" / self.made]


def tables(out: Path, *made_from: Any) -> View:
    """The paper's tables."""
    return View("tables", out, TABLES, made_from)


def figures(out: Path, corpora: Sequence[str], studies: Sequence[Study], *made_from: Any) -> View:
    """The figures of a plan with these corpora and studies."""
    names = ["results", "nats", *(f"curves-{corpus}" for corpus in corpora)]
    names += [study.stage for study in studies if study.stage == "toy"]
    names += ["speed"] if any(study.stage == "speed" for study in studies) else []
    names += ["bounds"] if any(study.stage == "bounds" for study in studies) else []
    names += [f"modes-{study.corpus}" for study in studies if study.stage == "modes"]
    made_from = (*made_from, [study.made_from for study in studies])
    return View("figures", out, tuple(f"figures/{name}.{form}" for name in names for form in FIGURE_FORMS), made_from)


def samples(out: Path, *made_from: Any) -> View:
    """What the models draw. How many files a run has hangs on its corpus, so that samples.json stands for them."""
    return View("samples", out, ("samples/samples.json",), made_from)


def page(out: Path, *made_from: Any) -> View:
    """The page that shows it all, and the configuration that it is of."""
    return View("page", out, ("report.html", "config.json"), made_from)
