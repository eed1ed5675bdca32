"""What the history page keeps of a manifest."""

from credix.pipeline.history.run_line import ERROR_LENGTH, describe_run
from tests.pipeline.manifests import manifest, source


def test_a_line_says_what_was_carried_from_where_to_where_and_how_long_it_took() -> None:
    line = describe_run(manifest())

    assert line["sources"]["installments"] == {
        "rows": [120, 120, 120, 120],
        "from": "900",
        "to": "1000",
        "read_at": "2026-03-31T10:15:01",
    }
    assert line["steps"] == [
        ["01", "installments", 1.3],
        ["04", "installments", 3.5],
        ["04", "gold", 3.5],
    ]
    assert line["dbt"] == {"pass": 70, "warn": 2}
    assert (line["trigger"], line["revision"]) == ("schedule", "012345678")


def test_rows_that_differ_between_steps_are_kept_apart() -> None:
    line = describe_run(manifest(sources={"installments": source(120, merged=119)}))
    assert line["sources"]["installments"]["rows"] == [120, 120, 120, 119]


def test_a_repair_is_told_beside_the_delta_that_it_repairs() -> None:
    rows = dict.fromkeys(("01_extract", "02_land", "03_load", "04_transform"), 3)
    repaired = source(120, repairs=[{"attempt": 8, "fault": "A key less.", "rows": rows}])
    line = describe_run(manifest(sources={"installments": repaired}))
    assert line["sources"]["installments"]["rows"] == [120, 120, 120, 120]
    assert line["sources"]["installments"]["repairs"] == [[3, 3, 3, 3]]


def test_a_source_that_the_run_never_came_to_is_left_out() -> None:
    untouched = {"rows": {}, "deleted_rows": None, "watermark_from": None, "watermark_to": None}
    assert "sources" not in describe_run(manifest(sources={"cnpj_ws": untouched}))


def test_what_a_run_may_miss_is_named() -> None:
    missing = source(1, missed_histories=["rows deleted in the source stay in bronze"])
    line = describe_run(manifest(sources={"installments": missing}))
    assert line["sources"]["installments"]["missed"] == [
        "rows deleted in the source stay in bronze"
    ]


def test_how_long_a_change_waited_is_told_where_gold_holds_it() -> None:
    lag = {"at_least": 40.0, "at_most": 340.0}
    line = describe_run(manifest(lags={"installments": lag}))
    assert line["lags"] == {"installments": "40 s to 6 min"}


def test_a_long_error_is_cut() -> None:
    line = describe_run(manifest(status="failed", error="x" * 5_000))
    assert line["error"] == "x" * ERROR_LENGTH


def test_a_manifest_from_before_there_was_a_trigger_has_a_line_too() -> None:
    old = manifest()
    for name in ("trigger", "pages", "failed_at"):
        del old[name]
    assert describe_run(old)["id"] == old["run_id"]
