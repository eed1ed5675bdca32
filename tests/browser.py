"""Pages in a real browser, on a desk and on a phone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
WHY = "no Chromium is installed: pages are not laid out"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
MILLISECONDS = 60_000
DESK_WIDTH = 1280
WIDTHS = (DESK_WIDTH, 390)
PHONE = {"is_mobile": True, "has_touch": True}


@contextmanager
def browsing() -> Iterator[Any]:
    """A browser, for tests that have found CHROMIUM."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def shown(
    browser: Any, address: str, width: int, ready: str, laid_out: int | None = None
) -> Iterator[Any]:
    """The page at that width once `ready` is there; when left, it has behaved.

    It has no error on the console, has asked for nothing but itself, and scrolls down alone. A page
    that is `laid_out` for another width is shown whole, as small as that makes it.
    """
    told: list[str] = []
    asked: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 844}, **(PHONE if width < 600 else {})
    )
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator(ready).first.wait_for()
    yield page
    within = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    context.close()
    place = f"{address} at {width}"
    faults = [line for line in told if line.startswith("error")]
    assert faults == [], f"{place}: {faults}"
    elsewhere = [url for url in asked if not url.startswith((address.partition("#")[0], "data:"))]
    assert elsewhere == [], f"{place}: {elsewhere}"
    assert within == [laid_out or width] * 2, place


def assert_fits(browser: Any, address: str, ready: str) -> None:
    """The page behaves on a desk and on a phone."""
    for width in WIDTHS:
        with shown(browser, address, width, ready):
            pass
