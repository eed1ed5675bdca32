"""The audit trail: pages that open offline, run nothing, and a manifest at the end."""

import json
from pathlib import Path

import nbformat
import pytest

from credix.clients.gcs.lake import Lake
from credix.core.errors import StateError
from credix.core.paths import paths_of
from credix.core.results import parse_manifest
from credix.core.settings import Settings
from credix.pipeline.archive import archive_run, read_manifests
from credix.pipeline.notebooks.pages import Pages
from credix.pipeline.notebooks.render_page import clean_html, render_page
from tests.pipeline.manifests import manifest

RUN_ID = "20260331T101500Z-full-1f2e3d"


def notebook(*html: str) -> str:
    """An executed notebook whose cells put out this HTML."""
    outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": text, "text/plain": "x"})
        for text in html
    ]
    cell = nbformat.v4.new_code_cell("show()", outputs=outputs, execution_count=1)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Extract"), cell])
    found: str = nbformat.writes(made)
    return found


def folder_of(tmp_path: Path, run_id: str = RUN_ID) -> Path:
    folder = tmp_path / run_id
    folder.mkdir()
    (folder / "01_extract.ipynb").write_text(notebook("<b>12 rows</b>"))
    return folder


def names(lake: Lake, run_id: str = RUN_ID) -> list[str]:
    path = paths_of(lake.settings).run(run_id)
    blobs = lake.objects(lake.settings.archive_bucket, path)
    return sorted(blob.name.removeprefix(path) for blob in blobs)


def archived(lake: Lake, tmp_path: Path, run_id: str) -> None:
    archive_run(lake, folder_of(tmp_path, run_id), manifest(run_id=run_id), Pages())


class TestArchive:
    def test_notebook_page_and_manifest_lie_under_the_runs_day(
        self, lake: Lake, tmp_path: Path
    ) -> None:
        own = manifest(run_id=RUN_ID)
        archived, address = archive_run(lake, folder_of(tmp_path), own, Pages())
        assert archived.pages == ("01_extract.html",)
        assert address.endswith(f"/runs/dt=2026-03-31/{RUN_ID}/")
        assert names(lake) == ["01_extract.html", "01_extract.ipynb", "manifest.json"]

    def test_the_manifest_is_written_last(self, lake: Lake, tmp_path: Path) -> None:
        archive_run(lake, folder_of(tmp_path), manifest(run_id=RUN_ID), Pages())
        uploads = [r.target for r in lake.effects.records if r.name == "archive.upload"]
        assert uploads[-1].endswith("/manifest.json")

    def test_archiving_again_keeps_what_was_written_first(self, lake: Lake, tmp_path: Path) -> None:
        folder = folder_of(tmp_path)
        for _ in range(2):
            archive_run(lake, folder, manifest(run_id=RUN_ID), Pages())
        with pytest.raises(StateError, match=r"manifest\.json exists already with another"):
            archive_run(lake, folder, manifest(run_id=RUN_ID, status="failed"), Pages())
        assert [found.status for found in read_manifests(lake, 10)] == ["done"]

    def test_half_a_notebook_does_not_stop_the_manifest(self, lake: Lake, tmp_path: Path) -> None:
        folder = folder_of(tmp_path)
        (folder / "02_land.ipynb").write_text('{"cells": [')
        archive_run(lake, folder, manifest(run_id=RUN_ID), Pages())
        assert names(lake) == [
            "01_extract.html",
            "01_extract.ipynb",
            "02_land.ipynb",
            "manifest.json",
        ]


class TestPage:
    def test_it_asks_the_network_for_nothing(self) -> None:
        page = render_page(notebook("<b>12 rows</b>")) or ""
        assert "12 rows" in page
        for asking in ('src="http', "src='http", "@import", '<link rel="stylesheet" href="http'):
            assert asking not in page

    def test_what_an_output_would_run_is_not_run(self) -> None:
        page = render_page(notebook("<script>steal()</script><img src=x onerror=steal()>")) or ""
        assert "<script>steal()" not in page
        assert "onerror" not in page.replace("&lt;", "").partition("steal()")[0][-200:]

    def test_tables_stay_tables(self) -> None:
        table = (
            "<table><thead><tr><th>n</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>"
        )
        assert clean_html(table) == table

    @pytest.mark.parametrize(
        "html",
        [
            "<script>x()</script>",
            "<iframe src='http://x'></iframe>",
            "<img src='x' onerror='x()'>",
            "<a href='javascript:x()'>x</a>",
            "<b onclick='x()'>x</b>",
            "<form action='http://x'><input></form>",
        ],
    )
    def test_nothing_dangerous_is_left(self, html: str) -> None:
        cleaned = clean_html(html)
        for dangerous in ("<script", "<iframe", "<form", "<input"):
            assert dangerous not in cleaned
        if "<" in cleaned.replace("&lt;", ""):
            for dangerous in ("onerror", "javascript:", "onclick"):
                assert dangerous not in cleaned


class TestManifests:
    def test_the_last_runs_come_newest_first(self, lake: Lake, tmp_path: Path) -> None:
        ids = [
            "20260330T235959Z-full-aaaaaa",
            "20260331T101500Z-full-bbbbbb",
            "20260331T101501Z-cnpj-cccccc",
        ]
        for run_id in ids:
            archived(lake, tmp_path, run_id)
        assert [m.run_id for m in read_manifests(lake, 10)] == ids[::-1]
        assert [m.run_id for m in read_manifests(lake, 2)] == ids[:0:-1]
        assert read_manifests(lake, 0) == []

    def test_a_run_without_a_manifest_has_not_ended_and_is_left_out(
        self, lake: Lake, settings: Settings
    ) -> None:
        path = paths_of(settings).run(RUN_ID) + "01_extract.ipynb"
        lake.upload("archive.upload", settings.archive_bucket, path, b"{}")
        assert read_manifests(lake, 10) == []

    def test_a_corrupt_one_is_named(self, lake: Lake, settings: Settings) -> None:
        path = paths_of(settings).run(RUN_ID) + "manifest.json"
        lake.upload("archive.upload", settings.archive_bucket, path, b"{")
        with pytest.raises(StateError, match=f"gs://{settings.archive_bucket}/{path} cannot be"):
            read_manifests(lake, 10)

    def test_it_is_json_that_people_can_read(self, lake: Lake, tmp_path: Path) -> None:
        folder = folder_of(tmp_path)
        written, _ = archive_run(lake, folder, manifest(run_id=RUN_ID), Pages())
        text = (folder / "manifest.json").read_text()
        assert parse_manifest(text) == written
        assert json.loads(text)["started_at"] == "2026-03-31T10:15:00+00:00"
        assert text.startswith('{\n  "version": 1,\n  "run_id"')

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            (b"[]", "Input should be"),
            (b"{}", "no step results"),
            (b'{"version": 2}', "version: Input should be 1"),
            (b'{"steps": {"gold": {"01_extract": []}}}', "no step results"),
        ],
    )
    def test_what_is_no_manifest_of_this_release_is_named(
        self, lake: Lake, settings: Settings, text: bytes, fault: str
    ) -> None:
        path = paths_of(settings).run(RUN_ID) + "manifest.json"
        lake.upload("archive.upload", settings.archive_bucket, path, text)
        with pytest.raises(StateError, match=f"cannot be read: .*{fault}"):
            read_manifests(lake, 10)
