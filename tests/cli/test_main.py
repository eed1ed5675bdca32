"""The command line asks before it writes to prod, and never before it looks."""

import pytest
from click.testing import CliRunner

from credix.cli.main import commands
from credix.core.errors import SettingsError

PROD = {
    "CREDIX_ENV": "prod",
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_DB": "credix",
    "POSTGRES_USER": "reader",
    "POSTGRES_PASSWORD": "secret",
    "GCP_PROJECT": "a-project",
}
WRITING = {
    "run": ["run", "full"],
    "schedule": ["schedule"],
    "provision": ["provision"],
    "reconcile": ["reconcile", "--yes"],
    "evolve": ["evolve", "installments", "--yes"],
    "backfill": [
        *("backfill", "--source", "installments", "--yes"),
        *("--from", "2026-03-01", "--to", "2026-03-02"),
    ],
    "runs --rebuild": ["runs", "--rebuild"],
}


@pytest.fixture
def prod(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of prod; whatever gets past the question has nothing to talk to."""
    for name, value in PROD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CREDIX_CONFIRM_ENV", raising=False)


@pytest.mark.usefixtures("prod")
@pytest.mark.parametrize("command", WRITING)
def test_a_command_that_writes_refuses_prod_unless_it_is_confirmed(command: str) -> None:
    ended = CliRunner().invoke(commands, WRITING[command])
    assert isinstance(ended.exception, SettingsError)
    assert "CREDIX_CONFIRM_ENV=prod" in str(ended.exception)


@pytest.mark.usefixtures("prod")
def test_looking_at_the_schedule_of_prod_asks_for_nothing() -> None:
    ended = CliRunner().invoke(commands, ["schedule", "--list", "--json"])
    assert ended.exit_code == 0, ended.output
