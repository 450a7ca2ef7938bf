"""Figures are drawn from result files alone: the files that the plan names, the same bytes for the same numbers."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pyarrow
import pytest
from matplotlib.figure import Figure

from lnf.plan import config
from lnf.plan.results import Plan
from lnf.plan.stages import CURVES, FIGURE_FORMS
from lnf.report.figures import comparison, curves, nats
from lnf.report.figures.canvas import Canvas, save
from lnf.report.figures.draw import write_figures
from lnf.report.figures.style import clipped
from lnf.report.frames import frame_of
from lnf.report.metrics import METRICS, Row
from lnf.report.outcomes import outcomes
from lnf.runs.training import HISTORY
from lnf.studies import speed
from lnf.system.files import write_json
from lnf.system.sealed import write_table

HEAD = ("corpus", "kind", "prior", "label", "role", "seed")
SMALL = {
    "name": "small",
    "toy": None,
    "speed": None,
    "bounds": None,
    "select": {"corpora": ["ptb", "markov"], "priors": ["lstm", "af_af"], "seeds": [0, 1]},
}
TERMS = {"nll": 1.4, "elbo": 1.5, "reconstruction": 0.1, "kl": 1.0, "length": 0.4}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    return Plan(config.load(config.merge(config.read(), SMALL)))


def rows_of(plan: Plan, **values: float) -> list[Row]:
    """A row for each term of each run; the LSTM has neither bound nor terms. `values` replaces TERMS, by metric."""
    rows = []
    for run in plan.gathered.arguments["runs"]:
        head = {key: run[key] for key in HEAD}
        exact = run["prior"] == "lstm"
        for metric, value in (TERMS | values).items():
            if not exact or metric in ("nll", "length"):
                row = {"split": "test", "metric": metric, "unit": "bpc", "value": value + 0.01 * run["seed"]}
                rows.append({**head, **row, "status": "ok", "n": 3})
    source: dict[str, Any] = {
        "corpus": "markov",
        "kind": "text",
        "prior": "source",
        "label": "source",
        "role": "reference",
        "seed": None,
    }
    for metric, number in (("nll", 1.2), ("length", 0.3)):
        rows.append(source | {"split": "test", "metric": metric, "unit": "bpc", "value": number, "status": "ok"})
    return rows


def trained(plan: Plan, epochs: int = 3) -> None:
    for run in plan.runs:
        rows: list[dict[str, Any]] = [
            {field.name: 1.0 / (n + 1) for field in HISTORY} | {"epoch": n} for n in range(epochs)
        ]
        if run.spec.prior.name == "lstm":
            rows = [row | {"train_kl": None, "valid_kl": None} for row in rows]
        run.folder.mkdir(parents=True)
        write_table(run.folder / "history.parquet", pyarrow.Table.from_pylist(rows, HISTORY))
        write_json(run.folder / "run.json", {"best_epoch": epochs - 1})


def drawn(plan: Plan, rows: list[Row]) -> dict[str, bytes]:
    """Name -> bytes of all figures."""
    metrics = Path("metrics.parquet")
    write_table(metrics, pyarrow.Table.from_pylist(rows, METRICS))
    folder = plan.views["figures"].folder
    write_figures(**plan.shown(metrics, {})["figures"], out=folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def as_svg_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other forms take longer, and show no more."""
    monkeypatch.setattr("lnf.report.figures.canvas.FIGURE_FORMS", ("svg",))


def of_markov(plan: Plan) -> Plan:
    """One of its corpora, which takes less time to draw."""
    return Plan(config.load(config.merge(plan.config.values, {"select": {"corpora": ["markov"]}})))


def test_the_plan_names_what_is_drawn_and_the_same_numbers_give_the_same_bytes(plan: Plan) -> None:
    plan = of_markov(plan)
    trained(plan)
    first = drawn(plan, rows_of(plan))
    assert all(path.exists() for path in plan.views["figures"].files)
    assert set(first) == {path.name for path in plan.views["figures"].files}
    assert first == drawn(plan, rows_of(plan))


@pytest.mark.usefixtures("as_svg_alone")
def test_a_number_is_seen(plan: Plan) -> None:
    plan = of_markov(plan)
    before = drawn(plan, rows_of(plan))
    seen_in = {"nll": {"results", "nats"}, "length": {"nats"}, "kl": {"results", "nats"}}
    for metric, figures in seen_in.items():
        after = drawn(plan, rows_of(plan, **{metric: TERMS[metric] + 0.1}))
        assert {Path(name).stem for name in before if before[name] != after[name]} == figures


@pytest.mark.usefixtures("as_svg_alone")
def test_curves_show_what_was_trained(plan: Plan) -> None:
    untrained = drawn(plan, rows_of(plan))
    trained(plan)
    now = drawn(plan, rows_of(plan))
    assert {Path(name).stem for name in now if now[name] != untrained[name]} == {
        f"{name}-{corpus}" for name in CURVES for corpus in ("ptb", "markov")
    }


@pytest.mark.usefixtures("as_svg_alone")
def test_missing_runs_leave_room_for_what_is_there(plan: Plan) -> None:
    heads = [{key: run[key] for key in HEAD} for run in plan.gathered.arguments["runs"]]
    assert {Path(name).stem for name in drawn(plan, [head | {"status": "not_run"} for head in heads])} == {
        path.stem for path in plan.views["figures"].files if path.suffix == ".png"
    }


def test_what_is_missing_has_a_unit_and_its_reason_next_to_the_axes(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not inside of them, where it would lie over published numbers."""
    kept: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *to, **how: (kept.append(figure), save(figure, *to, **how)))
    published = SimpleNamespace(published=1.41, published_mark="certain")
    missing = {**rows_of(plan)[0], "status": "not_run", "value": None, "unit": None, "code": "current"}
    comparison.draw(outcomes(frame_of([missing], METRICS)), {("ptb", "lstm", "nll"): published}, tmp_path)
    panel = kept[0].axes[0]
    assert panel.get_xlabel() == "bpc" and not panel.texts
    (legend,) = kept[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["published"]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["LSTM: not_run"]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    found: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *to, **how: (found.append(figure), save(figure, *to, **how)))
    return found


def test_every_bar_shows_the_cost_of_the_length_separately(plan: Plan, kept: list[Figure], tmp_path: Path) -> None:
    """The source's too: its length, then what is left of its NLL."""
    nats.draw(outcomes(frame_of(rows_of(plan), METRICS)), tmp_path)
    panel = next(axes for axes in kept[0].axes if axes.get_title(loc="left").startswith("markov"))
    line = [label.get_text() for label in panel.get_yticklabels()].index("source")
    bars = [
        (bar.get_x(), bar.get_width()) for bar in panel.patches if round(bar.get_y() + bar.get_height() / 2) == line
    ]
    assert sorted(bars)[-2:] == [(0.0, pytest.approx(0.3)), (pytest.approx(0.3), pytest.approx(0.9))]


def test_the_speed_axis_names_what_it_shows(kept: list[Figure], tmp_path: Path) -> None:
    """Seconds of a whole batch, whatever its size."""
    rows = [{"prior": "lstm", "batch": batch, "length": 8, "repeat": 0, "seconds": 0.5} for batch in (1, 16)]
    write_table(tmp_path / "speed.parquet", pyarrow.Table.from_pylist(rows))
    facts = {"device": "cpu", "threads": 1, "machine": {"processor": "a processor"}}
    write_json(tmp_path / "speed.json", facts)
    speed.draw({"markov": [tmp_path]}, {"lstm": "LSTM"}, tmp_path)
    assert kept[0].axes[0].get_ylabel() == "seconds per batch"
    assert [axes.lines[0].get_ydata()[0] for axes in kept[0].axes] == [0.5, 0.5]


@pytest.mark.usefixtures("as_svg_alone")
def test_a_users_matplotlibrc_changes_no_figure(plan: Plan) -> None:
    plan = of_markov(plan)
    before = drawn(plan, rows_of(plan))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert drawn(plan, rows_of(plan)) == before


def test_outcomes(plan: Plan) -> None:
    diverged = {**rows_of(plan)[0], "seed": 2, "status": "diverged", "value": None}
    found = outcomes(frame_of([*rows_of(plan), diverged], METRICS))
    assert list(found) == ["ptb", "markov"]
    lstm, af_af = found["ptb"]
    assert (lstm.prior, lstm.unit, lstm.status) == ("lstm", "bpc", "partial 2/3 (diverged 1)")
    assert lstm.mean("nll") == pytest.approx(1.405) and lstm.spread("nll") == pytest.approx(0.01 / 2**0.5)
    assert lstm.mean("kl") is None and lstm.spread("kl") == 0 and af_af.mean("kl") == pytest.approx(1.005)
    assert [one.trained for one in found["markov"]] == [True, True, False]


@pytest.mark.usefixtures("as_svg_alone")
def test_bounds_are_drawn_for_each_corpus_that_was_looked_at(plan: Plan) -> None:
    wider = Plan(
        config.load(config.merge(plan.config.values, {"bounds": {"samples": [1, 10], "sequences": None, "seed": 0}}))
    )
    pictures = {path.name for path in wider.views["figures"].files if path.name.startswith("bounds.")}
    assert pictures == {f"bounds.{form}" for form in FIGURE_FORMS}
    pictures = {"bounds.svg"}
    assert not pictures & set(drawn(wider, rows_of(wider)))
    for study, nll in zip(wider.studies, (1.5, 1.4), strict=True):
        rows = [{"prior": "af_af", "k": k, "unit": "bpc", "nll": nll - 0.01 * k} for k in (1, 10)]
        write_table(study.files[0], pyarrow.Table.from_pylist(rows))
    now = drawn(wider, rows_of(wider))
    assert pictures <= set(now)
    write_table(wider.studies[0].files[0], pyarrow.Table.from_pylist([rows[0], rows[1] | {"nll": 1.0}]))
    again = drawn(wider, rows_of(wider))
    assert {Path(name).stem for name in now if now[name] != again[name]} == {"bounds"}


def test_one_value_far_above_does_not_flatten_the_others() -> None:
    assert clipped([1.0, 1.1, 1.2, 1.3, 9.0]) < 2.0
    assert clipped([1.0, 1.1, 1.2, 1.3, 1.4]) == 1.4 and clipped([2.0]) == 2.0


def test_a_value_outside_the_axis_is_an_arrow_with_its_number(plan: Plan, kept: list[Figure], tmp_path: Path) -> None:
    head = {"corpus": "ptb", "kind": "text", "role": "main", "split": "test", "metric": "nll", "unit": "bpc",
            "status": "ok", "seed": 0}  # fmt: skip
    values = dict(enumerate((1.0, 1.1, 1.2, 1.3, 9.0)))
    rows = [{**head, "prior": f"p{n}", "label": f"p{n}", "value": value} for n, value in values.items()]
    comparison.draw(outcomes(frame_of(rows, METRICS)), {}, tmp_path, ["svg", "csv"])
    panel = kept[0].axes[0]
    assert [text.get_text() for text in panel.texts] == ["9"] and panel.get_xlim()[1] < 2.0
    assert "9.0" not in (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()[1]


def test_the_loss_by_epoch_does_not_rise_with_the_weight_of_the_kl() -> None:
    """What is trained on is reconstruction + beta KL: here it rises from 1 to 3 while both terms stay what they are."""
    history = {"valid_loss": np.array([1.0, 3.0]), "valid_kl": np.array([2.0, 2.0]),
               "valid_reconstruction": np.array([1.0, 1.0])}  # fmt: skip
    assert curves.whole(history, "valid").tolist() == [3.0, 3.0]
    exact = history | {"valid_kl": np.full(2, np.nan), "valid_reconstruction": np.full(2, np.nan)}
    assert curves.whole(exact, "valid").tolist() == [1.0, 3.0]


@pytest.fixture
def inlines(tmp_path: Path) -> dict[str, ElementTree.Element]:
    """One drawing as two figures of a page, wide and narrow."""

    def dot(canvas: Canvas) -> None:
        axes = canvas.figure(2.0).subplots()
        (point,) = axes.plot([1], [2], "o", color="#000000")
        canvas.mark(point, model="A & B", value=2.00004, unit="bpc", sd=0.5)

    for name in ("one", "other"):
        save(tmp_path, name, dot)
    return {path.name: ElementTree.fromstring(path.read_text(encoding="utf-8")) for path in tmp_path.glob("*.svg")}


def test_figures_of_one_page_share_no_id_and_every_reference_is_to_their_own(
    inlines: dict[str, ElementTree.Element],
) -> None:
    assert set(inlines) == {"one.svg", "one.narrow.svg", "other.svg", "other.narrow.svg"}
    ids = {name: [one.get("id") for one in root.iter() if one.get("id")] for name, root in inlines.items()}
    every = [one for mine in ids.values() for one in mine]
    assert len(every) == len(set(every)) > 8
    for name, root in inlines.items():
        text = ElementTree.tostring(root, encoding="unicode")
        wanted = {*re.findall(r"url\(#([^)]+)\)", text), *re.findall(r'href="#([^"]+)"', text)}
        assert wanted and wanted <= set(ids[name])


def test_marks_say_what_they_are_and_colours_and_texts_are_the_pages(inlines: dict[str, ElementTree.Element]) -> None:
    for root in inlines.values():
        assert [one.get("data-hint") for one in root.iter() if one.get("data-hint")] == ["A & B, 2 bpc, sd 0.5"]
        text = ElementTree.tostring(root, encoding="unicode")
        assert "#000000" not in text and "currentColor" in text and "var(--back, #ffffff)" in text
        assert len([one for one in root.iter() if one.tag.endswith("}text")]) > 4 and "<style" not in text
        assert root.get("width") is None and root.get("viewBox")


def test_the_numbers_behind_a_figure_are_whole(inlines: dict[str, ElementTree.Element], tmp_path: Path) -> None:
    assert (
        inlines and (tmp_path / "one.csv").read_text(encoding="utf-8") == "model,value,unit,sd\nA & B,2.00004,bpc,0.5\n"
    )
