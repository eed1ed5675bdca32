"""The pages of Elementary and dbt ask nobody for anything."""

import pytest

from credix.core.errors import StepError
from credix.report.sealed_pages import seal, seal_catalog

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


def test_a_phone_gets_one_viewport_which_it_may_zoom() -> None:
    sealed = seal(PAGE)
    assert sealed.count('name="viewport"') == 1
    assert sealed.index('content="width=1280"') < sealed.index('<script type="module">')
    assert "scale" not in sealed


def test_dbts_page_asks_for_no_file_that_its_templates_and_its_icon_name() -> None:
    page = (
        b'<link rel="shortcut icon" href="${require(\'./assets/favicons/favicon.ico\')}"/>'
        b'<use xlink:href="{{ getIcon(item.type) }}"></use><use xlink:href="#icn-up"></use>'
    )
    assert seal_catalog(page) == (
        b'<link rel="shortcut icon" href="data:,"/>'
        b'<use ng-attr-xlink:href="{{ getIcon(item.type) }}"></use><use xlink:href="#icn-up"></use>'
    )


def test_what_is_no_page_is_refused() -> None:
    with pytest.raises(StepError, match="no head"):
        seal("<html></html>")
