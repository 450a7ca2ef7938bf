"""A sweep: points of a grid of settings, each a variant of one prior. They are run by the same DAG as any variant, and
ranked on valid; test is left out.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from lnf.errors import UserError
from lnf.fields import shown
from lnf.plan.rule_files import Variant
from lnf.system.files import digest

RANDOM = "random"
"""The key that asks for some points of the grid: {count, seed}."""
DIGITS = 6
"""Of the digest in a point's name."""
LEFT_OUT = {"evaluate": {"test": False}}


@dataclass(frozen=True)
class Point:
    """Some settings of a prior: dotted key -> value. Its name depends on them alone, so a sweep that grows keeps its
    points.
    """

    base: str
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the variant."""
        return f"{self.base}_{digest(dict(self.settings))[:DIGITS]}"

    @property
    def sections(self) -> dict[str, Any]:
        """The settings by section."""
        nested: dict[str, Any] = {}
        for key, value in self.settings.items():
            *above, last = key.split(".")
            place = nested
            for part in above:
                place = place.setdefault(part, {})
            place[last] = value
        return nested

    def of(self, variant: Variant) -> Variant:
        """The point as a variant, whose label names the settings."""
        values = ", ".join(f"{key.rpartition('.')[2]} {_text(value)}" for key, value in self.settings.items())
        prior = variant.prior.replace(name=self.name, label=f"{variant.prior.label}, {values}")
        return Variant(prior, variant.options, file=variant.file)


def points_of(sweep: Mapping[str, Any], base: str) -> Iterator[Point]:
    """The points of a configuration's `sweep`: the whole grid, or those that `random` draws from it.

    Raises UserError if a random sweep asks for more points than there are.
    """
    values = {key: value for key, value in sweep.items() if key != RANDOM}
    grid = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    drawn = sweep.get(RANDOM)
    if drawn is not None:
        if drawn["count"] > len(grid):
            raise UserError(f"config: sweep.random.count: {drawn['count']}: must be at most {len(grid)}, all points")
        grid = random.Random(drawn["seed"]).sample(grid, drawn["count"])
    yield from (Point(base, settings) for settings in grid)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)
