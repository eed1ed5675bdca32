"""A line of progress says how far long work is, and nobody hears of short work."""

import os
from collections.abc import Iterator
from io import StringIO, TextIOWrapper

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager

from credix.core import progress
from credix.core.progress import Amount, Meter, describe, describe_end, find_line, on_terminal
from credix.pipeline.notebooks.execute import ListeningClient


class TestDescribe:
    def test_with_a_total_share_and_time_left_are_told(self) -> None:
        line = describe("Reading installments", Amount(1_200_000, 195_000_000, 3_000_000), 2.0)
        assert line == "Reading installments: 1,200,000 of 3,000,000 rows (40 %), 195 MB, 3 s left"

    def test_without_a_total_only_what_is_done_is_told(self) -> None:
        line = describe("Reading installments", Amount(1_200_000, 195_000_000, None), 2.0)
        assert line == "Reading installments: 1,200,000 rows, 195 MB"

    def test_more_rows_than_were_foreseen_are_the_whole(self) -> None:
        assert "(100 %), 0 MB, 0 s left" in describe("Loading", Amount(11, 0, 10), 2.0)

    def test_before_the_first_row_no_time_is_guessed(self) -> None:
        assert describe("Loading", Amount(0, 0, 10), 2.0) == "Loading: 0 of 10 rows (0 %), 0 MB"

    def test_the_end_says_how_long_it_took(self) -> None:
        ended = describe_end("Loading x.parquet", Amount(3_000_000, 489_000_000, None), 8.2)
        assert ended == "Loading x.parquet: 3,000,000 rows, 489 MB in 8 s"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


class TestMeter:
    def test_short_work_shows_nothing(self, clock: Clock) -> None:
        lines: list[str] = []
        with Meter("Reading", lines.append, 10, started=clock.now) as meter:
            clock.now += 1.9
            meter.add(10, 100)
        assert lines == []

    def test_long_work_is_shown_twice_a_second_at_most_and_as_a_whole_at_the_end(
        self, clock: Clock
    ) -> None:
        lines: list[str] = []
        with Meter("Reading", lines.append, 80, started=clock.now) as meter:
            for _ in range(80):
                clock.now += 0.125
                meter.add(1, 0)
        assert len(lines) == 1 + (10 - 2) * 2 + 1
        assert lines[0].startswith("Reading: 16 of 80 rows (20 %)")
        assert lines[-1] == "Reading: 80 rows, 0 MB in 10 s"

    def test_behind_a_failure_the_line_before_it_stays(self, clock: Clock) -> None:
        lines: list[str] = []
        with (
            pytest.raises(OSError, match="gone"),
            Meter("Reading", lines.append, 100, started=clock.now) as meter,
        ):
            clock.now += 4
            meter.add(50, 0)
            raise OSError("gone")
        assert lines == ["Reading: 50 of 100 rows (50 %), 0 MB, 4 s left"]


CELL = """
import time
from credix.core.progress import meter
with meter("Reading", 4) as reading:
    reading.started -= 5
    for _ in range(4):
        reading.add(1, 1_000_000)
        reading.shown_at -= 1
"""


def test_a_run_hears_each_line_and_the_notebook_keeps_the_last() -> None:
    notebook = new_notebook(cells=[new_code_cell(CELL)])
    notebook.metadata["papermill"] = {}
    notebook.cells[0].metadata["papermill"] = {}
    client = ListeningClient(NotebookExecutionManager(notebook), kernel_name="python3")
    heard: list[str] = []
    client.heard = heard.append
    PapermillNotebookClient.execute(client)
    assert [line.partition(", ")[0] for line in heard] == [
        "Reading: 1 of 4 rows (25 %)",
        "Reading: 2 of 4 rows (50 %)",
        "Reading: 3 of 4 rows (75 %)",
        "Reading: 4 of 4 rows (100 %)",
        "Reading: 4 rows",
    ]
    [output] = client.nb_man.nb.cells[0].outputs
    assert output["data"]["text/plain"] == "Reading: 4 rows, 4 MB in 5 s"
    nbformat.validate(client.nb_man.nb)


def test_other_outputs_are_no_progress() -> None:
    assert find_line({"execution_state": "busy"}) is None
    assert find_line({"data": {"text/plain": "12 rows"}, "metadata": {}}) is None


def test_outside_a_kernel_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.meter("Reading", 10) as reading:
        reading.started -= 60
        reading.add(10, 0)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIOWrapper]]:
    """A pseudo-terminal: where it is read, and what is written to."""
    reading, writing = os.openpty()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    os.close(reading)


def test_on_a_terminal_one_line_is_rewritten_and_gone_at_the_end(
    terminal: tuple[int, TextIOWrapper],
) -> None:
    reading, stream = terminal
    with on_terminal(stream) as show:
        show("half")
        show("all")
    assert os.read(reading, 100) == b"\rhalf\x1b[K\rall\x1b[K\r\x1b[K"


def test_a_pipe_or_file_gets_nothing() -> None:
    stream = StringIO()
    with on_terminal(stream) as show:
        show("half")
    assert stream.getvalue() == ""
