"""What the history page keeps of a manifest."""

import json
from pathlib import Path

import pytest

from credix.core.results import parse_manifest
from credix.pipeline.history.page import LINES
from credix.pipeline.history.run_line import ERROR_LENGTH, RunLine, describe_run
from tests.pipeline.manifests import manifest, source

# One of each form that a release has written, as its code wrote it; of long lists the first item.
EARLIER = sorted((Path(__file__).parents[1] / "earlier_manifests").glob("*.json"))
# What a line can say of each.
RECORDED: dict[str, set[str]] = {
    "1_first": set(),
    "2_orders_and_slices": set(),
    "3_bytes": set(),
    "4_trigger_and_pages": {"pages", "trigger"},
    "5_lag_of_each_source": {"pages", "trigger"},
    "6_lags": {"lags", "pages", "trigger"},
    "7_broken_step": {"lags", "pages", "trigger"},
    "8_repairs": {"lags", "pages", "trigger"},
}


def test_a_line_says_what_was_carried_from_where_to_where_and_how_long_it_took() -> None:
    line = describe_run(manifest())

    [shown] = json.loads(LINES.dump_json([line], exclude_defaults=True, by_alias=True))
    assert shown["sources"]["installments"] == {
        "rows": [120, 120, 120, 120],
        "from": "900",
        "to": "1000",
        "read_at": "2026-03-31T10:15:01",
    }
    assert shown["steps"] == [
        ["01", "installments", 1.3],
        ["04", "installments", 3.5],
        ["04", "gold", 3.5],
    ]
    assert line.dbt == {"pass": 70, "warn": 2}
    assert (line.trigger, line.revision) == ("schedule", "012345678")


def test_rows_that_differ_between_steps_are_kept_apart() -> None:
    line = describe_run(manifest(sources={"installments": source(120, merged=119)}))
    assert line.sources["installments"].rows == (120, 120, 120, 119)


def test_a_repair_is_told_beside_the_delta_that_it_repairs() -> None:
    rows = dict.fromkeys(("01_extract", "02_land", "03_load", "04_transform"), 3)
    repaired = source(120, repairs=[{"attempt": 8, "fault": "A key less.", "rows": rows}])
    line = describe_run(manifest(sources={"installments": repaired}))
    assert line.sources["installments"].rows == (120, 120, 120, 120)
    assert line.sources["installments"].repairs == ((3, 3, 3, 3),)


def test_a_source_that_the_run_never_came_to_is_left_out() -> None:
    untouched = {"attempt": 7, "rows": {}}
    assert describe_run(manifest(sources={"cnpj_ws": untouched})).sources == {}


def test_what_a_run_may_miss_is_named() -> None:
    missing = source(1, missed_histories=["rows deleted in the source stay in bronze"])
    line = describe_run(manifest(sources={"installments": missing}))
    missed = line.sources["installments"].missed
    assert missed == ("rows deleted in the source stay in bronze",)


def test_how_long_a_change_waited_is_told_where_gold_holds_it() -> None:
    lag = {"at_least": 40.0, "at_most": 340.0}
    line = describe_run(manifest(lags={"installments": lag}))
    assert line.lags == {"installments": "40 s to 6 min"}


def test_a_long_error_is_cut() -> None:
    line = describe_run(manifest(status="failed", error="x" * 5_000))
    assert line.error == "x" * ERROR_LENGTH


@pytest.mark.parametrize("path", EARLIER, ids=lambda path: path.stem)
def test_a_manifest_of_an_earlier_release_has_a_line_too(path: Path) -> None:
    line = describe_run(parse_manifest(path.read_text("utf-8")))
    assert (line.job, line.status) == ("full", "done")
    assert line.sources["installments"].rows == (200_000, 200_000, 200_000, 200_000)
    assert [number for number, _, _ in line.steps] == ["01", "02", "03", "04"] * 2 + ["04", "05"]
    assert line.dbt["warn"] == 1
    said = {name for name in ("lags", "pages", "trigger") if getattr(line, name)}
    assert said == RECORDED[path.stem]


def test_every_form_of_a_manifest_is_recorded() -> None:
    assert {path.stem for path in EARLIER} == set(RECORDED)


def test_a_line_of_another_release_keeps_what_this_one_knows() -> None:
    [line] = LINES.validate_json(
        '[{"id": "r1", "job": "full", "status": "done", "started": "x", "later": 1}]',
        extra="ignore",
    )
    assert line == RunLine(id="r1", job="full", status="done", started="x")
