"""A piano roll as an SVG picture: parts in their colours, the page's where it is on one, and a line for its player."""

import html
from pathlib import Path

from lnf.kinds.piano import LOWEST_NOTE
from lnf.report.figures.style import COLOURS
from lnf.report.samples.music import Roll, parts_of
from lnf.system.files import replacing

STEP, KEY, LEFT, BELOW = 8, 4, 30, 16
"""Pixels of a step, of a key, left of the notes and below them."""
TICK_S = 5


def write_picture(roll: Roll, step_seconds: float, path: Path) -> None:
    """An SVG of a roll: time in seconds, MIDI notes, the Cs named."""
    with replacing(path) as scratch:
        scratch.write_text(drawn(roll, step_seconds), encoding="utf-8")


def drawn(roll: Roll, step_seconds: float) -> str:
    """The SVG element. `data-start` is where time 0 is, `data-second` how long a second is."""
    parts = parts_of(roll)
    sounding = [note for part in parts for note, _, _ in part.notes] or [LOWEST_NOTE, LOWEST_NOTE + 87]
    low, high = min(sounding) - 2, max(sounding) + 2
    width, height = LEFT + STEP * max(1, len(roll)), KEY * (high - low + 1)
    lines = [f'<line x1="{LEFT}" x2="{width}" y1="{_y(note, high)}" y2="{_y(note, high)}" class="octave"/>'
             f'<text x="{LEFT - 4}" y="{_y(note, high) + 3}" text-anchor="end">C{note // 12 - 1}</text>'
             for note in range(24, 109, 12) if low <= note <= high]  # fmt: skip
    second = STEP / step_seconds
    ticks = [f'<text x="{LEFT + n * second:g}" y="{height + 12}" text-anchor="middle">{n} s</text>'
             for n in range(0, int(len(roll) * step_seconds) + 1, TICK_S)]  # fmt: skip
    bars = [
        f'<rect x="{LEFT + STEP * first}" y="{_y(note, high) - KEY / 2:g}" width="{STEP * (after - first) - 1}"'
        f' height="{KEY}" fill="var(--series-{n}, {COLOURS[n]})"><title>{html.escape(part.name)}</title></rect>'
        for n, part in enumerate(parts) for note, first, after in part.notes
    ]  # fmt: skip
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + BELOW}" width="{width}"'
        f' height="{height + BELOW}" data-start="{LEFT}" data-second="{second:g}" font-family="sans-serif"'
        ' font-size="9" fill="currentColor"><style>.octave { stroke: currentColor; stroke-opacity: .25 }</style>'
    )
    playhead = f'<line class="playhead" x1="{LEFT}" x2="{LEFT}" y1="0" y2="{height}" stroke="currentColor"/>'
    return "".join([head, *lines, *ticks, *bars, playhead, "</svg>\n"])


def _y(note: int, high: int) -> float:
    return KEY * (high - note) + KEY / 2
