"""Google's credentials that are refused, or cannot be asked for just now."""

from collections.abc import Callable
from typing import Any

import pytest
from google.auth import exceptions as auth
from google.auth.credentials import Credentials

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.errors import SettingsError, TransientError
from credix.core.settings import Settings

EXPIRED = "invalid_grant: Token has been expired or revoked."


class Failing(Credentials):
    """Credentials that ask for a token and get this error."""

    def __init__(self, error: auth.GoogleAuthError) -> None:
        Credentials.__init__(self)
        self.error = error

    def refresh(self, _: Any) -> None:
        raise self.error


@pytest.fixture(params=["read_text", "read_bytes", "query"])
def ask(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[auth.GoogleAuthError], None]:
    """Ask GCS or BigQuery for something with credentials that fail."""

    def act(error: auth.GoogleAuthError) -> None:
        for client in ("gcs.lake", "bigquery.warehouse"):
            name = f"credix.clients.{client}.google_credentials"
            monkeypatch.setattr(name, lambda _: Failing(error))
        if request.param == "query":
            Warehouse(settings, Effects(0)).query("SELECT 1")
        else:
            getattr(Lake(settings, Effects(0)), request.param)(settings.lake_bucket, "x")

    return act


def test_refused_ones_are_told_in_one_sentence_with_the_way_out(ask: Callable[..., None]) -> None:
    error = auth.RefreshError(EXPIRED, {"error": "invalid_grant"})
    with pytest.raises(SettingsError, match=f"refuses.*{EXPIRED}.*gcloud auth") as told:
        ask(error)
    assert "{" not in str(told.value)


@pytest.mark.parametrize(
    "error", [auth.TransportError("no route"), auth.RefreshError("busy", retryable=True)]
)
def test_an_error_that_passes_is_none_of_the_settings(
    ask: Callable[..., None], error: auth.GoogleAuthError
) -> None:
    with pytest.raises(TransientError, match="Run again"):
        ask(error)


def test_missing_ones_are_told_when_a_client_is_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Settings) -> None:
        raise auth.DefaultCredentialsError("none were found")

    for client in (Lake, Warehouse):
        monkeypatch.setattr(f"{client.__module__}.google_credentials", refuse)
        with pytest.raises(SettingsError, match=r"No Google credentials: none were found"):
            client(settings, Effects(0))
