"""A figure in all its forms, from one function that draws it.

NAME.pdf, NAME.png       as wide as a page, for documents
NAME.svg                 the same, for the report: its text is text, its colours are the page's
NAME.narrow.svg          drawn again as wide as a phone
NAME.csv                 the values of its marks
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnf.plan.stages import FIGURE_FORMS
from lnf.report.figures.inline import inlined
from lnf.report.figures.style import DOTS_PER_INCH, SETTINGS
from lnf.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

INCH_PAGE, INCH_PHONE = 6.8, 3.5
NARROW = "narrow.svg"


class Canvas:
    """What a figure is drawn on: of a page's width or, `narrow`, of a phone's.

    `facts`: the id of each mark -> its values, by column.
    """

    def __init__(self, narrow: bool) -> None:
        self.narrow = narrow
        self.width = INCH_PHONE if narrow else INCH_PAGE
        self.facts: dict[str, dict[str, Any]] = {}
        self.drawn: Figure | None = None

    def figure(self, height: float) -> "Figure":
        """The figure, `height` inches high."""
        from matplotlib.figure import Figure

        self.drawn = Figure(figsize=(self.width, height))
        return self.drawn

    def mark(self, artist: "Artist", **facts: Any) -> None:
        """Record the values of an artist: a line of the figure's table, and what the page shows where it is touched.

        Numbers are rounded where they are shown, not in the table.
        """
        name = f"mark{len(self.facts)}"
        artist.set_gid(name)
        self.facts[name] = facts


def save(folder: Path, name: str, draw: Callable[[Canvas], None], forms: Sequence[str] | None = None) -> None:
    """Write FOLDER/NAME.* in the given forms, all by default. Raises ValueError if nothing was drawn."""
    forms = FIGURE_FORMS if forms is None else forms
    for narrow in (False, True):
        of_this = [form for form in forms if (form == NARROW) == narrow]
        if of_this:
            _save(folder, name, draw, narrow, of_this)


def _save(folder: Path, name: str, draw: Callable[[Canvas], None], narrow: bool, forms: Sequence[str]) -> None:
    import matplotlib  # half a second, which a study that only computes does not pay

    from lnf.report.frames import write_csv

    canvas = Canvas(narrow)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc changes no figure
        matplotlib.rcParams.update(SETTINGS)
        matplotlib.rcParams["svg.hashsalt"] = name  # the same figure gives the same bytes
        draw(canvas)
        if canvas.drawn is None:
            raise ValueError(f"{name}: nothing was drawn")
        if layout := canvas.drawn.get_layout_engine():
            layout.execute(canvas.drawn)
            canvas.drawn.set_layout_engine("none")  # once, not again for each form
        for form in forms:
            path = folder / f"{name}.{form}"
            if form == "csv":
                facts = list(canvas.facts.values())
                write_csv(path, list(dict.fromkeys(column for fact in facts for column in fact)), facts)
                continue
            kind = form.rpartition(".")[2]
            undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
            with replacing(path) as scratch:
                canvas.drawn.savefig(scratch, format=kind, dpi=DOTS_PER_INCH, metadata=undated)
                if kind == "svg":
                    text = inlined(scratch.read_text(encoding="utf-8"), path.stem.replace(".", "-"), canvas.facts)
                    scratch.write_text(text, encoding="utf-8")
