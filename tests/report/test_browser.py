"""The report in a real browser: headless Chromium by playwright, and axe for what a screen reader meets."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from abacus.report.page import render
from abacus.report.run import read
from tests.finished import HOSTILE, finished

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: `apt install chromium`")

# What each figure draws of the small run, by Vega's name of the mark.
MARKS = {
    "accuracy": {"point": 6, "rule mark": 6},  # two metrics of three checkpoints, an interval each
    "gate": {"point": 6, "rule mark": 8},  # and two gates
    "squad": {"point": 6, "rule mark": 6},
    "nearness": {"point": 12, "rule mark": 12},
    "nll": {"point": 6},
    "categories": {"point": 22, "rule mark": 22},  # eleven categories, base and best
    "loss": {"point": 8},
    "rate": {},
    "kinds": {"point": 22, "rule mark": 11},
    "drops": {"bar": 11},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *QUIET]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(render(read(finished(folder / "run"))), encoding="utf-8")
    return folder / "index.html"


class Seen:
    """The page as it was opened: what its console said and what it asked for."""

    def __init__(self, browser: Browser, file: Path, width: int, scheme: str):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())
        for place in self.page.locator(".plot").all():
            place.and_(self.page.locator("[data-drawn]")).wait_for(timeout=60_000)

    def count(self) -> tuple[int, int]:
        """How many questions are found, of how many."""
        found = re.match(r"(\d+) of (\d+) questions", self.page.locator("#count").inner_text())
        assert found
        return int(found[1]), int(found[2])


@pytest.fixture
def opened(browser, file) -> Iterator[Seen]:
    seen = Seen(browser, file, 1280, "light")
    yield seen
    seen.page.context.close()


def test_every_figure_is_drawn_with_its_data_and_nothing_is_asked_for(opened, file):
    for name, marks in MARKS.items():
        for mark, count in marks.items():
            drawn = opened.page.locator(f"#plot-{name} [aria-roledescription='{mark}']")
            assert drawn.count() == count, (name, mark)
    assert opened.page.locator("#plot-rate path.mark-line, #plot-rate .mark-line path").count() == 1
    label = opened.page.locator("#plot-accuracy [aria-roledescription='point']").last.get_attribute(
        "aria-label"
    )
    best = read_metric(file, 2)
    assert f"percent: {best:.4f}"[:14] in label
    assert opened.said == [] and opened.asked == [file.as_uri()]


def read_metric(file: Path, number: int) -> float:
    """The tolerant accuracy of a checkpoint of the small run."""
    text = (file.parent / f"run/metrics/checkpoints/{number}.json").read_text(encoding="utf-8")
    return json.loads(text)["math_tolerant"]


def test_answers_are_filtered_and_none_is_out_of_reach(opened):
    page = opened.page
    assert opened.count() == (37, 37)
    cards = page.locator("#list > li")
    assert cards.count() == 25
    page.get_by_role("button", name="Show all 37").click()
    assert cards.count() == 37 and page.locator("#more").is_hidden()
    page.locator("#filters").get_by_label("Category").select_option("=area")
    assert opened.count() == (3, 37) and cards.count() == 3
    page.locator("#filters").get_by_label("Outcome").select_option("gained")
    assert opened.count() == (2, 37)
    page.locator("#filters").get_by_label("Checkpoint").select_option("1")
    assert opened.count() == (1, 37)
    assert "checkpoint 1 has 1 right, the base model 0" in page.locator("#count").inner_text()
    page.get_by_role("button", name="Clear").click()
    page.locator("#filters").get_by_label("Search").fill("rome WHERE")
    page.locator("#list > li").nth(1).wait_for(state="detached")
    assert opened.count() == (1, 37) and "in Rome" in cards.first.inner_text()


def test_what_a_model_said_is_text(opened):
    page = opened.page
    page.locator("#filters").get_by_label("Checkpoint").select_option("0")
    page.get_by_role("button", name="Show all 37").click()
    shown = page.locator("#list dd").all_inner_texts()
    assert all(any(text.replace("\u2028", "")[:20] in one for one in shown) for text in HOSTILE)
    assert page.locator("#list img, #list script, #list svg").count() == 0
    assert page.evaluate("window.hacked") is None
    assert opened.said == [] and len(opened.asked) == 1


def test_it_is_worked_by_keyboard(opened):
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    table = page.locator("#figure-accuracy details")
    assert table.locator("table").is_hidden()
    page.locator("#figure-accuracy summary").focus()
    page.keyboard.press("Enter")
    assert table.locator("table").is_visible()
    page.locator("#filters").get_by_label("Search").focus()
    page.keyboard.type("abacus")
    page.locator("#list > li").nth(1).wait_for(state="detached")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "f-checkpoint"
    page.keyboard.press("ArrowUp")
    assert "checkpoint 1 has" in page.locator("#count").inner_text()


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), pytest.param(1280, "light", marks=pytest.mark.slow)]
)
def test_axe_finds_nothing_and_a_phone_need_not_scroll_sideways(browser, file, width, scheme):
    page = Seen(browser, file, width, scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 27)")
    label = page.locator("#plot-loss .role-axis-label text").first
    assert label.evaluate("e => getComputedStyle(e).fill") != "rgb(0, 0, 0)"
    page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()


def test_on_paper_there_are_tables_and_no_controls(opened):
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert opened.page.locator("#filters").is_hidden() and opened.page.locator("nav").is_hidden()
    assert opened.page.locator("#figure-accuracy table").is_visible()
    assert opened.page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
