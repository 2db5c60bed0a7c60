"""The site of docs/: built without a warning, every page in its list, and nothing in it asks another host."""

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.workspace import ROOT

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def pages() -> list[str]:
    """The names of all pages."""
    return sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def listed(nav: object) -> list[str]:
    """The pages of a list of mkdocs.yml, whatever is nested in it."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [name for one in inner for name in listed(one)]


def test_every_page_is_in_the_list_once():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(listed(settings["nav"])) == pages()


def test_every_page_is_built_and_asks_no_other_host(site):
    asked = re.compile(
        r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"?(?:https?:)?//[^>]*>"
        r"|<link\b(?![^>]*rel=\"?canonical)[^>]*href=\"?(?:https?:)?//[^>]*>"
        r"|@import|url\(['\"]?(?:https?:)?//"
    )
    for name in pages():
        text = (site / name).with_suffix(".html").read_text(encoding="utf-8")
        assert asked.search(text) is None, name
    assert asked.search('<script src="https://unpkg.com/x"></script>'), "it would be seen"
    assert not list(site.rglob("*.py"))


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no chromium: apt install chromium")
def test_a_browser_finds_everything_at_home(site):
    """Every page without an error, all that it loads from the site itself; the search has an answer."""
    from playwright.sync_api import sync_playwright

    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_port}/"
    asked, wrong = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "response", lambda got: wrong.append(f"{got.status} {got.url}") if got.status >= 400 else None
        )
        for name in pages():
            page.goto(home + name.replace(".md", ".html"))
        page.goto(home)
        page.locator("[data-md-component=search-query]").first.fill("stepwise")
        page.wait_for_selector(".md-search-result__item", timeout=20_000)
        browser.close()
    server.shutdown()
    assert [url for url in asked if not url.startswith((home, "data:", "blob:"))] == []
    assert wrong == []
    assert len(asked) > len(pages())
