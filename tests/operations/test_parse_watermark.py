"""Watermarks as a user types them."""

from dataclasses import replace

import pytest

from credix.core.contracts import load_source
from credix.core.errors import SettingsError
from credix.core.watermarks import Watermark
from credix.operations.parse_watermark import parse_watermark, parse_watermarks

BOTH = ("cnpj_ws", "installments")
BY_DAY = replace(load_source("installments"), capture="cursor")
BY_INSTANT = replace(load_source("cnpj_ws"), capture="cursor")


def test_a_value_for_each_source() -> None:
    parsed = parse_watermarks(["cnpj_ws=4711", "installments=none"], BOTH)
    assert parsed == {"cnpj_ws": Watermark(row_version=4711), "installments": None}


def test_with_one_source_its_name_may_be_left_out() -> None:
    assert parse_watermarks(["12"], ["installments"]) == {"installments": Watermark(row_version=12)}


def test_nothing_typed_replaces_nothing() -> None:
    assert parse_watermarks([], BOTH) == {}


@pytest.mark.parametrize(
    ("text", "sources", "words"),
    [
        ("4711", BOTH, "say whose it is, as in --watermark installments=4711"),
        ("4711", (), "This job reads no source"),
        ("nope=4711", BOTH, "does not read 'nope' but cnpj_ws, installments"),
        ("installments=yesterday", BOTH, "a whole number such as 4711, or 'none'"),
        ("installments=-1", BOTH, "a whole number"),
        ("installments=", BOTH, "a whole number"),
        ("installments=²", BOTH, "a whole number"),
    ],
)
def test_anything_else_is_refused_with_an_example(
    text: str, sources: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        parse_watermarks([text], sources)


def test_a_cursor_of_days_takes_a_day() -> None:
    assert parse_watermark("2026-03-31", BY_DAY) == Watermark(cursor="2026-03-31")


@pytest.mark.parametrize(
    "text", ["2026-03-31T12:00:00+00:00", "2026-03-31T12:00", "2026-03-31T09:00:00-03:00"]
)
def test_a_cursor_of_instants_is_kept_in_utc_and_sorts_like_those_of_runs(text: str) -> None:
    expected = Watermark(cursor="2026-03-31T12:00:00.000000+00:00")
    assert parse_watermark(text, BY_INSTANT) == expected


@pytest.mark.parametrize("text", ["4711", "31/03/2026", "2026-02-30", "infinity"])
def test_what_is_no_day_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match="a date such as 2026-03-31"):
        parse_watermark(text, BY_DAY)
