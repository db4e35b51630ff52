"""A real browser: Debian's chromium, which nothing may reach the network from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.decisions.story import Story
from rollout.views.report.page import page as report
from tests.support.needs import missing

Open = Callable[..., Any]
"""Opens the report of a story, and returns the page."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser. Playwright has an event loop of its own in this thread until it ends, so no other test may
    run meanwhile that needs one."""
    program = shutil.which("chromium")
    if program is None:
        missing("needs the package chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("needs playwright, which `scripts/setup dev` installs")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Iterator[Open]:
    """Whatever the browser complains about, and whatever it asks for besides the file, fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(story: Story, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Any:
        file = tmp_path / "report.html"
        file.write_text(report(story, [], running=False, elsewhere=False))
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="UTC"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda asked: asked.url.startswith(("file:", "data:")) or complaints.append(asked.url)
        )
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
