"""Google's credentials, and what to do where it does not take them."""

from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials

from credix.errors import CredixError, SettingsError, TransientError
from credix.settings import Settings


def google_credentials(settings: Settings) -> AnonymousCredentials | None:
    """None lets Google's libraries find the application default credentials."""
    return AnonymousCredentials() if settings.google_credentials == "anonymous" else None


def credentials_error(error: auth.GoogleAuthError) -> CredixError:
    """What to do about Google's credentials: nothing but wait, or give others."""
    cause = error.args[0] if error.args else type(error).__name__
    if isinstance(error, auth.TransportError) or error.retryable:
        return TransientError(f"Google does not give a token for now: {cause}. Run again.")
    if isinstance(error, auth.DefaultCredentialsError):
        return SettingsError(f"No Google credentials: {cause}")
    return SettingsError(
        f"Google refuses the credentials ({cause}): log in with `gcloud auth application-default "
        "login`, or correct the key that GOOGLE_APPLICATION_CREDENTIALS names."
    )
