"""Piano rolls as pictures."""

from pathlib import Path

from matplotlib.figure import Figure

from lnf.corpora.sources.base import LOWEST_NOTE
from lnf.report.figures.style import COLOURS, DOTS_PER_INCH, INCH_PAGE
from lnf.report.samples.music import Roll, notes
from lnf.system.files import replacing


def write_picture(roll: Roll, step_seconds: float, path: Path) -> None:
    """A PNG of a roll: time in seconds, MIDI notes, the Cs named."""
    drawn = Figure(figsize=(INCH_PAGE, 1.6), layout="constrained")
    axes = drawn.subplots()
    for note, first, after in notes(roll):
        axes.broken_barh([(first * step_seconds, (after - first) * step_seconds)], (note - 0.4, 0.8), color=COLOURS[0])
    sounding = [note for note, _, _ in notes(roll)] or [LOWEST_NOTE, LOWEST_NOTE + 87]
    axes.set_xlim(0, max(1, len(roll)) * step_seconds)
    axes.set_ylim(min(sounding) - 2, max(sounding) + 2)
    tonics = range(24, 109, 12)
    axes.set_yticks(list(tonics), [f"C{note // 12 - 1}" for note in tonics])
    axes.set_ylim(min(sounding) - 2, max(sounding) + 2)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("seconds", fontsize=7)
    with replacing(path) as scratch:
        drawn.savefig(scratch, format="png", dpi=DOTS_PER_INCH)
