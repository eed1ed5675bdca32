"""The history page in its bucket: derived from the archive, whoever died and whatever was lost."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from credix.clients.gcs.lake import Lake
from credix.core.addresses import history_address
from credix.core.errors import StateError
from credix.core.paths import paths_of
from credix.pipeline.archive import archive_run
from credix.pipeline.history import page as history_page
from credix.pipeline.history import publish
from credix.pipeline.history.page import add_lines, decode_day, read_days, render_page
from credix.pipeline.history.publish import publish_history, show_history
from credix.pipeline.history.run_line import describe_run
from credix.pipeline.notebooks.pages import Pages
from tests.pipeline.manifests import STARTED_AT, manifest

A_DAY = 24 * 60


@pytest.fixture
def archived(lake: Lake, tmp_path: Path) -> Any:
    """Archives runs by number, without publishing them; their ids."""

    def archive(*numbers: int) -> list[str]:
        made = [manifest(number) for number in numbers]
        for one in made:
            archive_run(lake, tmp_path, one, Pages())
        return [one.run_id for one in made]

    return archive


def page_of(lake: Lake) -> str:
    found = lake.read_text(lake.settings.runs_bucket, paths_of(lake.settings).history)
    assert found is not None
    return found[0]


def shown(lake: Lake) -> list[str]:
    days = read_days(page_of(lake))
    return sorted(line.id for block in days.values() for line in decode_day(block))


def test_the_page_has_every_archived_run_once(lake: Lake, archived: Any) -> None:
    first = archived(0, 5)
    publish_history(lake)
    second = archived(7, A_DAY)
    publish_history(lake)
    assert shown(lake) == sorted(first + second)


def test_nothing_is_written_where_the_page_lacks_nothing(lake: Lake, archived: Any) -> None:
    archived(0)
    publish_history(lake)
    before = len(lake.effects.records)
    publish_history(lake)
    assert len(lake.effects.records) == before


def test_a_run_that_died_before_it_published_is_added_by_the_next(
    lake: Lake, archived: Any
) -> None:
    left_out, last = archived(0, 5)
    publish_history(lake)
    assert shown(lake) == [left_out, last]


def test_a_damaged_day_is_made_again_from_the_archive(lake: Lake, archived: Any) -> None:
    runs = archived(0, 5)
    publish_history(lake)
    damage(lake, lambda page: page.replace("H4sI", "AAAA"))
    publish_history(lake)
    assert shown(lake) == runs


def test_a_run_behind_ten_thousand_others_lists_and_decodes_the_last_three_days_alone(
    lake: Lake, archived: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [describe_run(manifest(5 * number)) for number in range(10_000)]
    write_page(lake, render_page(add_lines({}, lines), prefix="p", env="local", archive="a/"))
    archived(*(5 * 9_999 - day * A_DAY for day in range(10)))
    newest = archived(5 * 9_998 + 1, 5 * 9_999 + 1)
    done: list[str] = []
    for owner, name in ((lake, "folders"), (lake, "read_text"), (history_page, "decode_day")):
        monkeypatch.setattr(owner, name, noted(getattr(owner, name), done))
    monkeypatch.setattr(publish, "decode_day", history_page.decode_day)
    before = len(lake.effects.records)

    publish_history(lake)

    # The days and the runs of three of them; what is known of these, and once more of the day that
    # gains runs; the page and two manifests.
    assert sorted(done) == ["decode_day"] * 4 + ["folders"] * 4 + ["read_text"] * 3
    assert [record.name for record in lake.effects.records[before:]] == ["history.publish"]
    assert shown(lake)[-3:] == [newest[0], lines[-1].id, newest[1]]
    assert len(page_of(lake).encode()) < 2_000_000


def noted(function: Any, done: list[str]) -> Any:
    """The function, which notes its name in `done` whenever it is called."""

    def called(*arguments: Any, **options: Any) -> Any:
        done.append(function.__name__)
        return function(*arguments, **options)

    return called


def test_a_page_that_is_garbage_is_made_again(lake: Lake, archived: Any) -> None:
    runs = archived(0, A_DAY)
    publish_history(lake)
    damage(lake, lambda _: "garbage")
    publish_history(lake)
    assert shown(lake) == sorted(runs)


def test_only_the_newest_runs_make_a_missing_page_and_a_rebuild_makes_it_of_all(
    lake: Lake, archived: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "MOST_AT_ONCE", 2)
    runs = archived(0, 5, A_DAY, A_DAY + 5)
    publish_history(lake)
    assert shown(lake) == runs[2:]
    publish_history(lake, is_rebuilt=True)
    assert shown(lake) == runs


def test_a_run_that_ends_behind_runs_of_the_next_day_is_added(lake: Lake, archived: Any) -> None:
    [next_day] = archived(A_DAY)
    publish_history(lake)
    [late] = archived(0)
    publish_history(lake)
    assert shown(lake) == [late, next_day]


def test_a_clock_that_was_ahead_once_hides_nothing_that_comes_after(
    lake: Lake, archived: Any
) -> None:
    [ahead] = archived(365 * 100 * A_DAY)
    publish_history(lake)
    number = int((datetime.now(UTC) - STARTED_AT).total_seconds() // 60)
    [now] = archived(number)
    publish_history(lake)
    assert shown(lake) == [now, ahead]


def test_runs_without_a_readable_manifest_stay_out(lake: Lake, archived: Any) -> None:
    [run] = archived(0)
    folder = paths_of(lake.settings).runs + "dt=2026-03-31/20260331T101600Z-full-"
    planted = {
        "aaaaaa/01_extract.html": b"x",
        "bbbbbb/manifest.json": b"{",
        "cccccc/manifest.json": b"{}",
        "dddddd/manifest.json": b"[]",
        "eeeeee/manifest.json": b'{"steps": {}, "error": 1}',
        "ffffff/manifest.json": json.dumps(
            {**manifest().model_dump(mode="json"), "started_at": "9999-99-99T"}
        ).encode(),
    }
    for name, content in planted.items():
        lake.upload("archive.upload", lake.settings.archive_bucket, folder + name, content)
    publish_history(lake)
    assert shown(lake) == [run]


def test_two_runs_that_end_together_are_both_on_the_page(
    lake: Lake, archived: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = archived(0)
    write = lake.write_if_unchanged
    second: list[str] = []

    def overtaken(*arguments: Any, **options: Any) -> bool:
        if not second:
            second.extend(archived(5))
            publish_history(Lake(lake.settings, lake.effects))
        return write(*arguments, **options)

    monkeypatch.setattr(lake, "write_if_unchanged", overtaken)
    publish_history(lake)
    assert shown(lake) == [first, *second]


def test_a_page_that_never_holds_still_is_told(
    lake: Lake, archived: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(0)
    monkeypatch.setattr(lake, "write_if_unchanged", lambda *_, **__: False)
    with pytest.raises(StateError, match="changes too often"):
        publish_history(lake)


def test_the_page_that_is_opened_has_every_run(
    lake: Lake, archived: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    runs = archived(0)
    show_history(lake.settings, is_rebuilt=True, is_opened=False)
    assert opened == []
    address = show_history(lake.settings, is_rebuilt=False, is_opened=True)
    assert opened == [address] == [history_address(lake.settings)]
    assert shown(lake) == runs


def test_where_an_address_only_offers_a_download_a_copy_is_opened(
    lake: Lake, archived: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on Google without a server of pages: there its links lead to the console."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(publish, "shows_pages", lambda _: False)
    archived(0)
    settings = lake.settings.model_copy(update={"run_dir": tmp_path / "runs"})
    address = show_history(settings, is_rebuilt=False, is_opened=True)
    copy = tmp_path / "runs" / "all_runs.html"
    assert opened == [address] == [copy.as_uri()]
    assert copy.read_text("utf-8") == page_of(lake)


def damage(lake: Lake, change: Any) -> None:
    page = page_of(lake)
    assert change(page) != page
    write_page(lake, change(page))


def write_page(lake: Lake, page: str) -> None:
    """Write the page as somebody else would."""
    bucket, path = lake.settings.runs_bucket, paths_of(lake.settings).history
    _, generation = lake.read_text(bucket, path) or ("", 0)
    assert lake.write_if_unchanged("test.page", bucket, path, page, generation)
