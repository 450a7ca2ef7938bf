"""The report in a real browser: nothing is asked of a network, nothing complains, everything can be seen and heard."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from lnf.report.existing import write_existing
from tests.browser import browser_page
from tests.report.fabricated import finish, plan_of

pytestmark = pytest.mark.browser

LEGIBLE_PX = 7


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a finished plan on text and music."""
    folder = tmp_path_factory.mktemp("it's a report")
    before = Path.cwd()
    os.chdir(folder)
    try:
        plan = plan_of()
        finish(plan)
        write_existing(plan)
    finally:
        os.chdir(before)
    return folder / plan.out / "report.html"


@pytest.fixture
def page(report: Path) -> Iterator[Page]:
    """The report, opened without a network, in the dark, on a phone; every request and complaint fails the test."""
    trouble: list[str] = []
    with browser_page(viewport={"width": 390, "height": 844}, color_scheme="dark", offline=True) as opened:
        opened.on("console", lambda message: trouble.append(f"console: {message.text}"))
        opened.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        opened.on("request", lambda request: trouble.append(request.url) if not _own(request.url, report) else None)
        opened.goto(report.as_uri(), wait_until="load")
        yield opened
    assert trouble == []


def _own(url: str, report: Path) -> bool:
    return url.startswith("data:") or url == report.as_uri()


def test_pictures_are_seen_and_described(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    seen = "[...document.querySelectorAll('[role=img]')].filter(one => one.checkVisibility())"
    pictures = page.evaluate(f"{seen}.map(one => [one.ariaLabel, one.getBoundingClientRect().width])")
    assert len(pictures) > 6 and all(label and width > 100 for label, width in pictures)


def test_every_piece_can_be_heard(page: Page) -> None:
    page.wait_for_function("[...document.querySelectorAll('audio')].every(one => one.readyState >= 1 || one.error)")
    sounds = page.evaluate(
        "[...document.querySelectorAll('audio')].map(one => [one.duration, one.error, one.ariaLabel])"
    )
    assert len(sounds) == 10 and all(duration > 0.5 and error is None and label for duration, error, label in sounds)


def test_the_roll_follows_its_player(page: Page) -> None:
    audio = page.locator("#heard audio").first
    page.wait_for_function("document.querySelector('#heard audio').readyState >= 1")
    audio.evaluate("one => { one.currentTime = 1; }")
    page.wait_for_selector("#heard .playing")
    picture = page.locator("#heard .playing svg")
    start, second, line = picture.evaluate(
        "one => [+one.dataset.start, +one.dataset.second, +one.querySelector('.playhead').getAttribute('x1')]"
    )
    assert abs(line - (start + second)) < 0.1 * second
    assert page.locator("#heard .playing .playhead").evaluate("one => getComputedStyle(one).visibility") == "visible"


def test_it_fits_a_phone_and_is_dark(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    red, green, blue = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert max(red, green, blue) < 64


def test_a_table_is_sorted_by_a_touch(page: Page) -> None:
    table = page.locator("#runs table")
    column = "rows => rows.map(row => row.cells[4].textContent.trim()).filter(text => text).map(Number)"
    for direction in (1, -1):
        table.get_by_role("button", name="NLL").click()
        values = table.locator("tbody tr").evaluate_all(column)
        assert len(values) == 8 and values == sorted(values, reverse=direction < 0)


def test_a_number_tells_where_it_comes_from(page: Page) -> None:
    cell = page.locator("#tables td button").first
    made = page.locator(f"#{cell.get_attribute('popovertarget')}")
    assert not made.is_visible()
    cell.click()
    assert made.is_visible() and "0123456789ab" in made.inner_text() and made.locator("tbody tr").count() == 2


def test_a_mark_says_what_it_is_where_it_is_touched(page: Page) -> None:
    mark = page.locator('#figure-results .chart.narrow [data-hint*="LSTM, NLL"]').first
    mark.scroll_into_view_if_needed()
    hint = page.locator("#hint")
    assert not hint.is_visible()
    box = mark.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert (
        hint.is_visible()
        and hint.inner_text() == mark.get_attribute("data-hint") == "markov, LSTM, NLL, ours, 1.505 bpc, sd 0.007071"
    )


def test_figures_are_drawn_again_for_a_phone_and_their_text_is_legible(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.locator(".chart.wide svg:visible").count() == 0
    sizes = page.evaluate("""[...document.querySelectorAll('.chart.narrow svg')].flatMap(svg => {
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return [...svg.querySelectorAll('text')].map(text => scale * parseFloat(getComputedStyle(text).fontSize));
    })""")
    assert len(sizes) > 100 and min(sizes) > LEGIBLE_PX


def test_the_sections_stay_in_reach(page: Page) -> None:
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    box = page.get_by_role("navigation").bounding_box()
    assert box is not None and box["y"] == 0


def test_no_table_is_clipped_on_a_screen(report: Path) -> None:
    with browser_page(viewport={"width": 1400, "height": 900}) as wide:
        wide.goto(report.as_uri())
        wide.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        clipped = "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth).length"
        assert wide.locator(".wide table").count() > 8 and wide.evaluate(clipped) == 0


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_accessibility_error(report: Path, width: int, scheme: str) -> None:
    with browser_page(viewport={"width": width, "height": 900}, color_scheme=scheme) as opened:
        opened.goto(report.as_uri())
        opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = Axe().run(opened).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_links_lead_to_files(page: Page, report: Path) -> None:
    links = page.locator("a[href]").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    local = [link for link in links if not link.startswith("#")]
    assert len(local) > 10 and [link for link in local if not (report.parent / link).exists()] == []
    anchors = [link for link in links if link.startswith("#")]
    assert anchors and all(page.locator(anchor).count() == 1 for anchor in anchors)
