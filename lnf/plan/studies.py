"""Studies: what is looked at beside the runs' own results, each in a folder named by what made it.

    results/NAME/toy/DIGEST/{nll.parquet, densities.npz}
    results/NAME/speed/CORPUS/DIGEST/{speed.parquet, speed.json}
    results/NAME/modes/CORPUS/DIGEST/{modes.npz, modes.json}
    results/NAME/bounds/CORPUS/DIGEST/bounds.parquet

A study of trained models takes the first seed of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lnf.plan.code_digests import Stage, code_digest
from lnf.plan.run import Run
from lnf.system.files import digest

NAMES: dict[Stage, tuple[str, ...]] = {
    "toy": ("densities.npz", "nll.parquet"),
    "speed": ("speed.parquet", "speed.json"),
    "modes": ("modes.npz", "modes.json"),
    "bounds": ("bounds.parquet",),
}


@dataclass(frozen=True)
class Study:
    """One study: its job's stage, its place, the runs that it looks at, what it is made with, and what it needs to run,
    which changes no result.
    """

    stage: Stage
    place: Path
    runs: Sequence[Run]
    settings: Mapping[str, Any]
    needs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def corpus(self) -> str | None:
        """The corpus that it is of; None for the toy."""
        return self.runs[0].spec.corpus if self.runs else None

    @property
    def modules(self) -> list[str]:
        """The classes of the models that it looks at."""
        return sorted({path for run in self.runs for path in run.spec.prior.paths})

    @cached_property
    def made_from(self) -> dict[str, Any]:
        """What names it."""
        runs = [str(run.folder) for run in self.runs]
        code = code_digest(self.stage, self.modules)
        return {"runs": runs, **self.settings, "code": code}

    @property
    def told(self) -> dict[str, Any]:
        """What its job must be told."""
        return {**self.made_from, **self.needs, "modules": self.modules}

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.place / digest(self.made_from)

    @property
    def files(self) -> list[Path]:
        """Its files."""
        return [self.folder / name for name in NAMES[self.stage]]


def toy(name: str, settings: Mapping[str, Any]) -> Study:
    """Scalar transforms on a plane."""
    return Study("toy", Path("results", name, "toy"), [], {"settings": dict(settings)})


def speed(name: str, corpus: str, runs: Sequence[Run], settings: Mapping[str, Any]) -> Study:
    """Sampling time of every model of a corpus."""
    needs = {
        "resources": runs[0].spec.to_dict()["resources"],
        "hidden": max(run.spec.model.hidden for run in runs),
    }
    told = {"settings": dict(settings), "threads": runs[0].spec.resources.cpus}
    return Study("speed", Path("results", name, "speed", corpus), runs, told, needs)


def modes(name: str, run: Run, word: str | None) -> Study:
    """p(z_t | z_<t) of a model with two latent dimensions."""
    told = {"data": str(run.data), "word": word, "seed": run.spec.sample.seed}
    return Study("modes", Path("results", name, "modes", run.spec.corpus), [run], told)


def bounds(name: str, run: Run, settings: Mapping[str, Any]) -> Study:
    """NLL of a model by the number of importance samples."""
    told = {"data": str(run.data), "settings": dict(settings), "threads": run.spec.resources.cpus}
    return Study("bounds", Path("results", name, "bounds", run.spec.corpus), [run], told)


def first_seeds(runs: Sequence[Run]) -> list[Run]:
    """Of each corpus and prior, the run of its first seed."""
    first: dict[tuple[str, str], Run] = {}
    for run in runs:
        first.setdefault((run.spec.corpus, run.spec.prior.name), run)
    return list(first.values())
