"""The paper's picture of multimodality: p(z_t | z_<t) of a model with two latent dimensions, as a string is spelled.

Where several letters may follow, the density has several modes, and the decoder reads another letter off each.
Axes: T time, N points, V symbols, G = GRID, D = DECODE. Points are (first, second latent dimension).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lnf.corpora import loading
from lnf.corpora.batches import SequenceBatch
from lnf.corpora.sources import markov
from lnf.errors import UserError
from lnf.flows.time import AutoregressiveTime
from lnf.models.latent import LatentModel
from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.style import COLOURS
from lnf.runs import checkpoint
from lnf.runs.machine import settle
from lnf.runs.seeds import generator
from lnf.system.files import read_json, write_json
from lnf.system.sealed import read_arrays, write_arrays

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

LETTERS = 5
"""Letters whose mass is shown for each step."""
NAMED = 0.01
"""Share of the plane from which a region is named."""

GRID = 200
DECODE = 64
FINE = 8
"""Points a side in each of the DECODE x DECODE cells, over which the mass of a region is summed."""
STEPS = 6
"""Letters of a string that is chosen, not given."""
TOLERANCE = 0.02
"""That the density may miss 1 by, on a grid that holds all of it."""
SOME = 100
"""Test sequences whose posterior means say where to look."""
AT_ONCE = 1 << 16
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Box:
    """A rectangle of the latent plane."""

    low: tuple[float, float]
    high: tuple[float, float]

    def points(self, side: int) -> tuple[Tensor, float]:
        """(the middles of side x side cells [side * side, 2], the second dimension slowest; the area of a cell)."""
        axes = []
        for low, high in zip(self.low, self.high, strict=True):
            width = (high - low) / side
            axes.append(low + width * (torch.arange(side, dtype=torch.get_default_dtype()) + 0.5))
        second, first = torch.meshgrid(axes[1], axes[0], indexing="ij")
        area = math.prod((high - low) / side for low, high in zip(self.low, self.high, strict=True))
        return torch.stack([first, second], -1).flatten(0, 1), area


@dataclass(frozen=True)
class Spelled:
    """A test sequence, and the steps of it that are shown."""

    x: NDArray[np.uint8]
    first: int
    steps: int


@torch.no_grad()
def run_modes(run: str, data: str, word: str | None, seed: int, out: Path) -> None:
    """Write OUT/modes.npz and, last, OUT/modes.json for the model in RUN/model.pt, of the corpus in the folder DATA.

    `word`: the string, which the first test sequence with it spells; None, on a Markov corpus: the substring of STEPS
    letters whose next-letter entropy varies most. Raises UserError if the model is not an AF prior with H = 2, if no
    test sequence has the string, or if a density does not integrate to 1.
    """
    settle(1)
    model, spec, _ = checkpoint.load(Path(run, "model.pt"))
    if not isinstance(model, LatentModel) or not isinstance(model.prior, AutoregressiveTime) or model.prior.latent != 2:
        raise UserError(f"modes: {run}: the picture needs a prior that is AF in time, with model.latent 2")
    corpus = loading.load(Path(data), spec)
    source = markov.from_settings(corpus.meta["settings"]) if corpus.meta["source"] else None
    test = corpus.splits["test"]
    spelled = _find(test.sequences, corpus.meta["vocabulary"], word, source)
    batch = loading.Split([spelled.x], {}, test.width).batch([0], spec.kind)
    z_1TH = model.posterior_sample(batch, generator(CPU, seed, "modes"))
    context_TU = model.prior.context(z_1TH, batch.mask_BT)[0]
    box = _where_means_are(model, test)
    arrays: dict[str, list[Any]] = {"density": [], "regions": [], "masses": [], "exact": [], "integral": []}
    for t in range(spelled.first, spelled.first + spelled.steps):
        density = _Density(model.prior, context_TU[t : t + 1])
        arrays["integral"].append(_integral(density, t))
        arrays["density"].append(density.at(box.points(GRID)[0]).view(GRID, GRID).numpy())
        regions_DD = _decoded(model, batch, z_1TH, t, box)
        arrays["regions"].append(regions_DD.numpy())
        arrays["masses"].append(_masses(density, regions_DD, box, len(corpus.meta["vocabulary"])).numpy())
        if source is not None:
            arrays["exact"].append(_exact(source, spelled.x, t))
    _write(out, arrays | {"z": list(z_1TH[0].numpy())}, box, spelled, corpus.meta["vocabulary"])


def _find(
    test: Sequence[NDArray[np.uint8]], vocabulary: Sequence[str], text: str | None, source: markov.MarkovSource | None
) -> Spelled:
    if text is not None:
        for x in test:
            first = "".join(vocabulary[symbol] for symbol in x).find(text)
            if first >= 0:
                return Spelled(x, first, len(text))
        raise UserError(f"modes: {text!r}: no test sequence has it; name another string")
    if source is None:
        raise UserError("modes: text: missing; only a generated corpus can choose its string")
    windows = [(float(np.var(entropies[first : first + STEPS])), -n, first) for n, x in enumerate(test)
               for entropies in [_entropies(source, x)] for first in range(len(x) - STEPS + 1)]  # fmt: skip
    if not windows:
        raise UserError(f"modes: no test sequence has {STEPS} letters")
    _, n, first = max(windows)
    return Spelled(test[-n], first, STEPS)


def _exact(source: markov.MarkovSource, x: NDArray[np.uint8], t: int) -> NDArray[np.float64]:
    """p(x_t | x_<t, T) of the source, [V]."""
    before = [source.letters, source.letters, *x[:t].tolist()]
    return source.next_letter((before[-2], before[-1]), len(x) - t)


def _entropies(source: markov.MarkovSource, x: NDArray[np.uint8]) -> list[float]:
    """Of the source's next letter at each step, in nats."""
    weights = [_exact(source, x, t) for t in range(len(x))]
    return [float(-(p[p > 0] * np.log(p[p > 0])).sum()) for p in weights]


def _where_means_are(model: LatentModel, test: loading.Split) -> Box:
    """The range of the posterior means of some test sequences, and three standard deviations more."""
    batch = test.batch(range(min(SOME, len(test))), "text")
    mean_BTH, logvar_BTH = model.posterior(model.emission.embed(batch.x), batch.mask_BT)
    means_NH, sds_NH = mean_BTH[batch.mask_BT], (0.5 * logvar_BTH[batch.mask_BT]).exp()
    low, high = (means_NH - 3 * sds_NH).amin(0).tolist(), (means_NH + 3 * sds_NH).amax(0).tolist()
    return Box((low[0], low[1]), (high[0], high[1]))


@dataclass(frozen=True)
class _Density:
    """p(z_t | z_<t) as a function of z_t, through the closed form z -> e."""

    prior: AutoregressiveTime
    context_1U: Tensor

    def at(self, points_N2: Tensor) -> Tensor:
        """The density of each point, [N]."""
        return torch.cat([self._at(chunk) for chunk in points_N2.split(AT_ONCE)])

    def _at(self, points_N2: Tensor) -> Tensor:
        e_N2, log_det_N = self.prior.flow.to_noise(points_N2, self.context_1U)
        return (-0.5 * (math.log(2 * math.pi) + e_N2 * e_N2).sum(-1) + log_det_N).exp()

    def whole(self) -> Box:
        """A box that holds all but a negligible part: where 4096 seeded draws fall, and a fifth more on each side."""
        e_N2 = torch.randn(4096, 2, generator=generator(CPU, 0, "modes", "whole"))
        z_N2, _ = self.prior.flow.to_latent(e_N2, self.context_1U.expand(len(e_N2), -1))
        low, high = z_N2.amin(0), z_N2.amax(0)
        low, high = low - 0.2 * (high - low), high + 0.2 * (high - low)
        return Box((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))


def _integral(density: _Density, t: int) -> float:
    """The density's integral over all of it, on finer grids until it is 1 within TOLERANCE. Raises UserError."""
    box = density.whole()
    for side in (400, 800, 1600):
        points_N2, area = box.points(side)
        integral = float(density.at(points_N2).double().sum()) * area
        if abs(integral - 1) <= TOLERANCE:
            return integral
    raise UserError(f"modes: step {t}: p(z_t | z_<t) integrates to {integral:.4f}, not to 1 +- {TOLERANCE}")


def _decoded(model: LatentModel, batch: SequenceBatch, z_1TH: Tensor, t: int, box: Box) -> Tensor:
    """argmax_x p(x_t | z with z_t := g) for each g of the grid, all of z decoded again, [D, D]."""
    points_N2, _ = box.points(DECODE)
    symbols = []
    for chunk in points_N2.split(max(1, AT_ONCE // z_1TH.shape[1] // 8)):
        z_NTH = z_1TH.repeat(len(chunk), 1, 1)
        z_NTH[:, t] = chunk
        features = model.decoder(z_NTH, batch.mask_BT.expand(len(chunk), -1))[:, t]
        symbols.append(model.emission.logits(features).argmax(-1))
    return torch.cat(symbols).view(DECODE, DECODE)


def _masses(density: _Density, regions_DD: Tensor, box: Box, symbols: int) -> Tensor:
    """The mass of p(z_t | z_<t) in the region of each symbol, within the box, [V]."""
    points_N2, area = box.points(DECODE * FINE)
    fine = density.at(points_N2).double().view(DECODE, FINE, DECODE, FINE).sum((1, 3)) * area
    return torch.zeros(symbols, dtype=torch.float64).index_add(0, regions_DD.flatten(), fine.flatten())


def _write(out: Path, arrays: Mapping[str, list[Any]], box: Box, spelled: Spelled, vocabulary: Sequence[str]) -> None:
    write_arrays(out / "modes.npz", {name: np.stack(values) for name, values in arrays.items() if values})
    text = "".join(vocabulary[symbol] for symbol in spelled.x)
    facts = {"text": text, "first": spelled.first, "steps": spelled.steps, "vocabulary": list(vocabulary),
             "low": box.low, "high": box.high, "integrals": arrays["integral"]}  # fmt: skip
    write_json(out / "modes.json", facts)
    print(f"modes: {text[spelled.first : spelled.first + spelled.steps]!r} in {text!r}", flush=True)
    for line in _lines(arrays, vocabulary):
        print(f"modes: {line}", flush=True)


def _lines(arrays: Mapping[str, list[Any]], vocabulary: Sequence[str]) -> Iterator[str]:
    for n, masses in enumerate(arrays["masses"]):
        best = np.argsort(masses)[::-1][:4]
        exact = [f" (source {arrays['exact'][n][symbol]:.2f})" if arrays["exact"] else "" for symbol in best]
        shares = ", ".join(f"{vocabulary[s]!r} {masses[s]:.2f}{e}" for s, e in zip(best, exact, strict=True))
        yield f"integral {arrays['integral'][n]:.4f}; {shares}"


def draw(studies: Mapping[str | None, Sequence[Path]], labels: Mapping[str, str], folder: Path) -> None:
    """modes-CORPUS.* from STUDY/modes.{npz,json}: a column a step, the plane above and the masses below."""
    for corpus, (study, *_) in studies.items():
        save(folder, f"modes-{corpus}", partial(_draw, str(corpus), study))


def _draw(corpus: str, study: Path, canvas: Canvas) -> None:
    facts = read_json(study / "modes.json")
    steps, first, text = facts["steps"], facts["first"], facts["text"]
    columns = 2 if canvas.narrow else steps
    rows, side = -(-steps // columns), canvas.width / columns
    arrays = read_arrays(study / "modes.npz")
    drawn = canvas.figure(rows * (side + 1.5) + 0.5)
    grid = drawn.subplots(2 * rows, columns, squeeze=False, height_ratios=[side, 1.2] * rows)
    for axes in grid.flatten():
        axes.set_axis_off()
    for n in range(steps):
        plane, bars = (grid[2 * (n // columns) + below][n % columns] for below in (0, 1))
        plane.set_axis_on()
        bars.set_axis_on()
        _plane(plane, arrays, n, facts)
        exact = arrays["exact"][n] if "exact" in arrays else None
        drawn_bars = _bars(bars, arrays["masses"][n], exact, facts["vocabulary"], text[first + n], canvas, n)
        if n % columns == 0:
            plane.set_ylabel("$z_2$")
            bars.set_ylabel("probability")
    drawn.legend(*zip(*drawn_bars.items(), strict=True), loc="outside lower center", ncols=1 if canvas.narrow else 2)
    spelled = f"{text[:first]}[{text[first : first + steps]}]{text[first + steps :]}"
    drawn.suptitle(f"{corpus}: {spelled}", fontsize=6 if canvas.narrow else 8)


def _plane(axes: "Axes", arrays: Mapping[str, NDArray[Any]], n: int, facts: Mapping[str, Any]) -> None:
    (left, bottom), (right, top) = facts["low"], facts["high"]
    extent = (left, right, bottom, top)
    axes.imshow(np.sqrt(arrays["density"][n]), origin="lower", extent=extent, cmap="gray_r", aspect="auto")
    regions = arrays["regions"][n]
    second, first = (np.linspace(low, high, len(regions)) for low, high in ((bottom, top), (left, right)))
    for symbol in np.unique(regions):
        inside = (regions == symbol).astype(float)
        axes.contour(first, second, inside, levels=[0.5], colors=COLOURS[4], linewidths=0.6)
        if inside.mean() >= NAMED:
            y, x = _middle(inside)
            letter = _seen(facts["vocabulary"][symbol])
            axes.text(first[x], second[y], letter, color=COLOURS[1], ha="center", va="center")
    z = arrays["z"][facts["first"] + n]
    axes.plot(z[0], z[1], "+", color=COLOURS[0], markersize=8, markeredgewidth=1.5)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.grid(False)
    axes.set_xlabel("$z_1$")
    axes.set_title(f"step {facts['first'] + n + 1}", loc="left")


def _middle(inside: NDArray[np.float64]) -> tuple[int, int]:
    """A point of a region that is far from its border: where most of the region is within a few cells."""
    size = len(inside) // 8
    kernel = np.ones(2 * size + 1)
    blurred = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), 0, inside)
    blurred = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), 1, blurred)
    y, x = np.unravel_index(int((blurred * inside).argmax()), inside.shape)
    return int(y), int(x)


def _seen(symbol: str) -> str:
    """A symbol that can be seen."""
    return symbol if symbol.strip() else "␣"


def _bars(
    axes: "Axes", masses: NDArray[np.float64], exact: NDArray[np.float64] | None, vocabulary: list[str], spelled: str,
    canvas: Canvas, n: int,
) -> "dict[Artist, str]":  # fmt: skip
    """Bars of the likeliest letters, the spelled one in brackets, next to the source's; a bar of each -> its name."""
    best = np.argsort(masses if exact is None else masses + exact)[::-1][:LETTERS]
    both = {"mass of the density in the letter's region": (masses, COLOURS[4])}
    if exact is not None:
        both["the source's own probability"] = (exact, COLOURS[5])
    width = 0.8 / len(both)
    names: dict[Artist, str] = {}
    for k, (what, (values, colour)) in enumerate(both.items()):
        places = np.arange(len(best)) + (k - (len(both) - 1) / 2) * width
        bars = axes.bar(places, values[best], width, color=colour, edgecolor=COLOURS[6], linewidth=0.4)
        names[bars[0]] = what
        for bar, symbol in zip(bars, best, strict=True):
            letter = f"letter {_seen(vocabulary[symbol])}"
            canvas.mark(bar, step=f"step {n + 1} of the string", letter=letter, what=what, value=float(values[symbol]))
    letters = [_seen(vocabulary[symbol]) for symbol in best]
    axes.set_xticks(range(len(best)), [f"[{name}]" if vocabulary[symbol] == spelled else name
                                       for name, symbol in zip(letters, best, strict=True)])  # fmt: skip
    axes.set_ylim(0, 1.05)
    return names
