"""Elementary's page asks nobody for anything."""

import pytest

from credix.errors import StepError
from credix.report_page import seal

PAGE = """<script>window.elementaryData = 1;</script><!doctype html>
<html><head>
<meta charset="UTF-8" />
<meta name="viewport" content="width=device-width, initial-scale=1.0" />
<link rel="preconnect" href="https://fonts.googleapis.com" />
<link
  href="https://fonts.googleapis.com/css2?family=Geist"
  rel="stylesheet"
/>
<script type="module">const text = '<link href="kept">';</script>
</head><body></body></html>"""


def test_a_sealed_page_has_no_link_to_another_host() -> None:
    assert "https://" not in seal(PAGE)


def test_what_the_page_carries_and_its_program_stay() -> None:
    sealed = seal(PAGE)
    assert "window.elementaryData = 1;" in sealed
    assert "const text = '<link href=\"kept\">';" in sealed


def test_the_guard_comes_before_the_program_that_it_guards() -> None:
    sealed = seal(PAGE)
    assert sealed.index("Content-Security-Policy") < sealed.index('<script type="module">')
    assert sealed.index("XMLHttpRequest.prototype.open") < sealed.index('<script type="module">')


def test_a_phone_shows_the_page_whole() -> None:
    assert 'content="width=1280"' in seal(PAGE)
    assert "device-width" not in seal(PAGE)


def test_what_is_no_page_is_refused() -> None:
    with pytest.raises(StepError, match="no head"):
        seal("<html></html>")
