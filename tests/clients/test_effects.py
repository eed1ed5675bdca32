"""The door for side effects: retries, bounds, and death on request."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from google.api_core import exceptions as google
from google.auth import exceptions as auth

from credix.clients.effects import Effects, is_transient
from credix.core.errors import TransientError
from credix.pipeline.results import read_journal
from tests.death import dying_at

SCRIPT = """
import sys
from pathlib import Path
from credix.clients.effects import Effects

effects = Effects()
for name in ("lake.upload", "state.commit", "lake.upload"):
    with Path(sys.argv[1]).open("a") as performed:
        effects.perform(name, "x", lambda: performed.write(name + "\\n") and performed.flush())
print("survived")
"""


def failing(times: int, error: Exception) -> Callable[[], str]:
    """An action that fails so often before it works."""
    left = iter(range(times))

    def act() -> str:
        for _ in left:
            raise error
        return "done"

    return act


def test_an_effect_is_performed_once_and_recorded() -> None:
    effects = Effects()
    assert effects.perform("lake.upload", "gs://b/x", lambda: 7) == 7
    (record,) = effects.records
    assert (record.name, record.target, record.tries) == ("lake.upload", "gs://b/x", 1)
    assert record.seconds >= 0


def test_a_journal_keeps_what_was_performed_and_nothing_of_what_failed(tmp_path: Path) -> None:
    effects = Effects(journal=tmp_path / "cnpj_ws" / "effects.jsonl")
    effects.perform("lake.upload", "gs://b/x", lambda: 7)
    with pytest.raises(ValueError, match="no"):
        effects.perform("lake.upload", "gs://b/y", failing(1, ValueError("no")))
    assert read_journal(effects.journal or tmp_path) == effects.records
    assert len(effects.records) == 1


def test_a_journal_that_cannot_be_written_costs_no_effect(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    effects = Effects(journal=tmp_path / "file" / "effects.jsonl")
    assert effects.perform("lake.upload", "gs://b/x", lambda: 7) == 7


def test_it_is_tried_again_while_it_fails_for_now() -> None:
    effects = Effects(retry_seconds=30)
    action = failing(1, google.ServiceUnavailable("try later"))
    assert effects.perform("lake.upload", "x", action) == "done"
    assert effects.records[0].tries == 2


@pytest.mark.parametrize(
    "error",
    [google.Forbidden("no"), google.BadRequest("no"), google.NotFound("no"), ValueError("no")],
)
def test_what_would_fail_again_is_tried_once(error: Exception) -> None:
    calls: list[int] = []

    def act() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        Effects(retry_seconds=30).perform("lake.upload", "x", act)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (google.TooManyRequests("x"), True),
        (google.InternalServerError("x"), True),
        (google.BadGateway("x"), True),
        (google.ServiceUnavailable("x"), True),
        (google.GatewayTimeout("x"), True),
        (requests.exceptions.ConnectionError("x"), True),
        (requests.exceptions.ReadTimeout("x"), True),
        (requests.exceptions.ChunkedEncodingError("x"), True),
        (auth.TransportError("x"), True),
        (google.PreconditionFailed("x"), False),
        (google.Unauthorized("x"), False),
        (google.Conflict("x"), False),
        (auth.DefaultCredentialsError("x"), False),
        (OSError("x"), False),
    ],
)
def test_errors_are_told_apart_by_whether_waiting_helps(error: Exception, expected: bool) -> None:
    assert is_transient(error) is expected


@pytest.mark.parametrize("retry_seconds", [0, 0.3])
def test_retries_end_in_time_with_one_sentence(retry_seconds: float) -> None:
    effects = Effects(retry_seconds=retry_seconds)
    started = time.monotonic()
    with pytest.raises(TransientError, match=r"gs://b/x does not answer \(lake.upload: Service"):
        effects.perform("lake.upload", "gs://b/x", failing(1_000, google.ServiceUnavailable("x")))
    assert time.monotonic() - started < 10
    assert effects.records == []


def test_what_works_for_longer_than_the_bound_before_it_fails_is_tried_again() -> None:
    """As a job that fails after minutes: the bound counts from the first failure."""
    effects, action = Effects(retry_seconds=0.2), failing(1, google.ServiceUnavailable("x"))

    def work() -> str:
        time.sleep(0.25)
        return action()

    assert effects.perform("warehouse.load", "x", work) == "done"
    assert effects.records[0].tries == 2


def test_a_server_that_gives_a_reason_is_quoted_without_values() -> None:
    with pytest.raises(TransientError, match=r"ServiceUnavailable: Cannot read '…' in one line\)"):
        Effects(retry_seconds=0).read(
            "x", failing(1, google.ServiceUnavailable("Cannot read 'Ana Lima' in\none line."))
        )


def test_a_question_is_retried_and_not_recorded() -> None:
    effects = Effects(retry_seconds=30)
    assert effects.read("x", failing(1, google.BadGateway("x"))) == "done"
    assert effects.records == []


@pytest.mark.parametrize(
    ("die_at", "performed"),
    [
        ("lake.upload:before", []),
        ("lake.upload:after", ["lake.upload"]),
        ("state.commit:before", ["lake.upload"]),
        ("state.commit:after", ["lake.upload", "state.commit"]),
        ("lake.upload#2:before", ["lake.upload", "state.commit"]),
        ("lake.upload#2:after", ["lake.upload", "state.commit", "lake.upload"]),
    ],
)
def test_a_process_dies_at_the_asked_effect(
    tmp_path: Path, die_at: str, performed: list[str]
) -> None:
    ended, lines = run_until(die_at, tmp_path)
    assert ended.returncode == -signal.SIGKILL
    assert lines == performed
    assert ended.stdout == ""


@pytest.mark.parametrize("die_at", ["lake.upload#3:before", "lake.move:after"])
def test_a_process_that_never_gets_there_survives(tmp_path: Path, die_at: str) -> None:
    ended, lines = run_until(die_at, tmp_path)
    assert (ended.returncode, ended.stdout, len(lines)) == (0, "survived\n", 3)


def run_until(die_at: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    path = folder / "performed"
    path.touch()
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)],
        env={**os.environ, **dying_at(die_at)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended, path.read_text().splitlines()
