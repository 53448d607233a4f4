"""The built site: its links lead somewhere, and a browser finds and shows rules.

`make site` builds it. The browser is whatever Chromium is installed; MESHLINT_CHROMIUM names
another one.
"""

from __future__ import annotations

import functools
import html
import json
import os
import queue
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from meshlint.ruleset import load_builtin

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
RULE = "hpa-metric-undefined"


@pytest.fixture(scope="module")
def site() -> Path:
    folder = Path(os.environ.get("MESHLINT_SITE", ROOT / "build" / "site"))
    if not (folder / "index.html").is_file():
        pytest.skip(f"no site in {folder}: make site")
    return folder


@pytest.fixture(scope="module")
def chromium() -> str:
    given = os.environ.get("MESHLINT_CHROMIUM")
    found = next(filter(None, map(shutil.which, [given] if given else NAMES)), None)
    if found is None:
        pytest.skip("no Chromium here; MESHLINT_CHROMIUM can name one")
    return found


def test_every_rule_has_a_page(site: Path) -> None:
    for rule in load_builtin():
        assert (site / "rules" / rule.id / "index.html").is_file(), f"{rule.id}: make site"


def test_links_lead_to_pages_and_their_sections(site: Path) -> None:
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    anchors = {page: set(re.findall(r' id="([^"]+)"', text)) for page, text in pages.items()}
    broken = set()
    for page, text in pages.items():
        if page.name == "404.html":
            continue  # served at any address, so its links are absolute
        for written in set(re.findall(r'(?:href|src)="?([^"\s>]+)', text)):
            target, _, anchor = unquote(html.unescape(written)).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            path = (page.parent / target.partition("?")[0]).resolve() if target else page
            path = path / "index.html" if path.is_dir() else path
            if not path.is_file() or (anchor and path in anchors and anchor not in anchors[path]):
                broken.add((page.relative_to(site).as_posix(), written))
    assert not broken


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="?([^"\s>]+)', text)
    loaded += re.findall(
        r'<link[^>]+rel="?(?:stylesheet|icon|preconnect)[^>]+href="?([^"\s>]+)', text
    )
    assert loaded
    assert not [address for address in loaded if "//" in address]


# ------------------------------------------------------------------------------- in a browser

HELPERS = """
const wait = async (look) => {
  for (;;) { const found = look(); if (found) return found;
             await new Promise((go) => setTimeout(go, 50)); }
};
const all = (selector) => [...document.querySelectorAll(selector)];
const shown = (element) => element.getClientRects().length > 0;
const answer = (value) => fetch("/answer", {method: "POST", body: JSON.stringify(value)});
"""


class Handler(SimpleHTTPRequestHandler):
    """Serves the site with a script at the end of each page, whose answer it takes."""

    script = ""
    answers: queue.Queue[Any] = queue.Queue()

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix != ".html":
            super().do_GET()
            return
        code = f"{HELPERS}\naddEventListener('load', async () => {{ {self.script} }});"
        body = path.read_bytes() + f"<script>{code}</script>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.answers.put(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is inherited
        pass


class Browser:
    """Opens a page of the site, runs a script in it, and returns what it answers."""

    def __init__(self, program: str, site: Path, profile: Path) -> None:
        self.program = program
        self.site = site
        self.profile = profile

    def ask(self, page: str, script: str, width: int = 1280) -> Any:
        answers: queue.Queue[Any] = queue.Queue()
        handler = type("Asking", (Handler,), {"script": script, "answers": answers})
        serve = functools.partial(handler, directory=str(self.site))
        with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            browser = subprocess.Popen(
                [
                    self.program,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    f"--window-size={width},900",
                    f"--user-data-dir={self.profile}",
                    f"http://127.0.0.1:{server.server_address[1]}/{page}",
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                return answers.get(timeout=90)
            finally:
                browser.terminate()
                browser.wait(timeout=30)
                server.shutdown()


@pytest.fixture
def browser(chromium: str, site: Path, tmp_path: Path) -> Browser:
    return Browser(chromium, site, tmp_path / "profile")


@pytest.mark.slow
def test_search_finds_a_rule(browser: Browser) -> None:
    links = browser.ask(
        "",
        f"""
        const input = await wait(() => all("[data-md-component=search-query]")[0]);
        input.focus();
        input.value = "{RULE}";
        input.dispatchEvent(new Event("keyup", {{bubbles: true}}));
        await wait(() => all(".md-search-result__link").length);
        answer(all(".md-search-result__link").map((link) => new URL(link.href).pathname));
        """,
    )
    assert links[0] == f"/rules/{RULE}/"


@pytest.mark.slow
def test_page_of_a_rule_shows_its_example(browser: Browser) -> None:
    heads, blocks, report = browser.ask(
        f"rules/{RULE}/",
        """
        answer([
          all("article h2").map((head) => head.firstChild.textContent),
          all("article pre code").filter(shown).map((block) => block.textContent),
          all("article p").some((text) => text.textContent === "meshlint says:"),
        ]);
        """,
    )
    assert {"Why it matters", "What to do", "Example", "Suppress"} <= set(heads)
    assert report
    assert any("kind: HorizontalPodAutoscaler" in block for block in blocks)
    assert any(f"error[{RULE}]" in block for block in blocks)


@pytest.mark.slow
def test_overview_filters_rules(browser: Browser) -> None:
    before, count, names, heads = browser.ask(
        "rules/",
        f"""
        const words = await wait(() => all(".rule-filter input")[0]);
        const before = all(".rule-filter output")[0].textContent;
        const severity = all(".rule-filter select[aria-label=severity]")[0];
        words.value = "{RULE.rpartition("-")[0]}";
        severity.value = "error";
        severity.dispatchEvent(new Event("input", {{bubbles: true}}));
        answer([
          before,
          all(".rule-filter output")[0].textContent,
          all(".rule-table td:first-child a").filter(shown).map((link) => link.textContent),
          all("article h2").filter(shown).length,
        ]);
        """,
    )
    rules = load_builtin()
    assert before == f"{len(rules)} of {len(rules)} rules"
    assert RULE in names
    assert count == f"{len(names)} of {len(rules)} rules"
    assert len(names) < 20
    assert heads <= len(names)


@pytest.mark.slow
def test_commands_are_copied_without_prompts_and_outputs(browser: Browser) -> None:
    copied = browser.ask(
        "quick-start/",
        """
        const blocks = all("pre code").filter((code) => code.textContent.startsWith("$ "));
        // As the theme marks a block while it takes its text.
        blocks.forEach((code) => code.setAttribute("data-md-copying", ""));
        answer(blocks.map((code) => code.innerText));
        """,
    )
    lines = [line for text in copied for line in text.splitlines() if line.strip()]
    page = (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8")
    assert lines == re.findall(r"^\$ (.+)$", page, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["", "rules/", f"rules/{RULE}/", "quick-start/", "checklist/"])
def test_nothing_sticks_out_on_a_phone(browser: Browser, page: str) -> None:
    needed, width = browser.ask(
        page,
        """
        await new Promise((go) => setTimeout(go, 300));
        answer([document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        """,
        width=500,  # the narrowest window that headless Chromium opens
    )
    assert needed <= width
