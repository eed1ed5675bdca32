"""Google's credentials, the sessions that use them, and what to do where they are not taken.

They are the application default credentials: of the person, of the job, or of the key file that
GOOGLE_APPLICATION_CREDENTIALS names. With CREDIX_IMPERSONATE_SERVICE_ACCOUNT they only serve to ask
for short-lived tokens of that account.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import google.auth
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.impersonated_credentials import Credentials as ImpersonatedCredentials
from google.auth.transport.requests import AuthorizedSession, Request
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from credix.core.errors import CredixError, SettingsError, TransientError
from credix.core.settings import Settings

CLOUD = ("https://www.googleapis.com/auth/cloud-platform",)
TRY_LATER = {"429", "500", "502", "503", "504"}
LOG_IN = "log in with `gcloud auth application-default login`"


class BoundedAdapter(HTTPAdapter):
    """Lets no request wait longer for its server, whatever a library asks for."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        asked = options.get("timeout")
        given = asked if isinstance(asked, int | float) else self.seconds
        options["timeout"] = min(given, self.seconds)
        return super().send(request, *args, **options)


def google_credentials(settings: Settings) -> Credentials:
    """Raise DefaultCredentialsError where there are none."""
    if settings.google_credentials == "anonymous":
        return AnonymousCredentials()
    found, _ = google.auth.default(scopes=CLOUD)
    if not settings.impersonated_account:
        return found
    return ImpersonatedCredentials(
        source_credentials=found,
        target_principal=settings.impersonated_account,
        target_scopes=list(CLOUD),
    )


def dbt_credentials(settings: Settings) -> Credentials:
    """Return the credentials that dbt makes for itself, by `profiles.yml`.

    It knows no chain: it asks with the application default credentials for a token of its account,
    whatever account the other clients impersonate.
    """
    account = settings.dbt_account or settings.impersonated_account
    return google_credentials(settings.model_copy(update={"impersonated_account": account}))


def open_session(settings: Settings, credentials: Credentials) -> AuthorizedSession:
    """Requests, and those for its tokens, end within CREDIX_GOOGLE_TIMEOUT_SECONDS each."""
    session = AuthorizedSession(credentials, refresh_timeout=settings.google_timeout_seconds)
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter(settings.google_timeout_seconds))
    return session


def require_token(settings: Settings, credentials: Credentials) -> None:
    """Fetch a token where there is none; a gRPC channel would report a refused one as a fault.

    Raises GoogleAuthError.
    """
    if not isinstance(credentials, AnonymousCredentials) and not credentials.valid:
        credentials.refresh(partial(Request(), timeout=settings.google_timeout_seconds))


def credentials_error(
    error: auth.GoogleAuthError, setting: str = "CREDIX_IMPERSONATE_SERVICE_ACCOUNT"
) -> CredixError:
    """Return what to do about Google's credentials: nothing but wait, or give others.

    `setting` names the account that they would impersonate.
    """
    cause = str(error.args[0] if error.args else type(error).__name__).rstrip(".")
    answer = error.args[1:2]
    if is_transient_refusal(error):
        return TransientError(f"Google does not give a token for now: {cause}. Run again.")
    if isinstance(error, auth.DefaultCredentialsError):
        return SettingsError(
            f"No Google credentials: {cause}. To get some, {LOG_IN}, or let "
            "GOOGLE_APPLICATION_CREDENTIALS name a file of them."
        )
    if cause.startswith("Unable to acquire impersonated"):
        return SettingsError(
            f"Google gives no token of the account to impersonate ({told_by(answer)}): grant this "
            f"identity roles/iam.serviceAccountTokenCreator on it, or correct {setting}."
        )
    return SettingsError(
        f"Google refuses the credentials ({cause}): {LOG_IN}, or correct the key that "
        "GOOGLE_APPLICATION_CREDENTIALS names."
    )


def is_transient_refusal(error: BaseException) -> bool:
    """Return True where a token may be given later, to the same credentials."""
    if not isinstance(error, auth.GoogleAuthError):
        return False
    code = str(error_of(error.args[1:2]).get("code", ""))
    return isinstance(error, auth.TransportError) or error.retryable or code in TRY_LATER


def told_by(answer: Sequence[Any]) -> str:
    """Return the message in a server's answer."""
    return str(error_of(answer).get("message") or "it says nothing").rstrip(".")


def error_of(answer: Sequence[Any]) -> dict[str, Any]:
    """Return the `error` of an answer as Google's services give it.

    Empty where it is something else.
    """
    try:
        reported = json.loads(answer[0])["error"]
    except (IndexError, KeyError, TypeError, ValueError):
        return {}
    return reported if isinstance(reported, dict) else {}
