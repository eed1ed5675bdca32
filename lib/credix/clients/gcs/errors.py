"""Cloud Storage's errors as the product's."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core import exceptions as google
from google.auth import exceptions as auth

from credix.clients.credentials import credentials_error
from credix.core.errors import SettingsError, StateError
from credix.core.settings import Settings


@contextmanager
def translated(location: str, settings: Settings) -> Iterator[None]:
    """Raises SettingsError where access or the bucket is missing, StateError for a lost race."""
    try:
        yield
    except google.NotFound:
        bucket = location.removeprefix("gs://").partition("/")[0]
        raise missing_bucket(bucket, settings) from None
    except google.Forbidden:
        raise SettingsError(
            f"Access to {location} is denied: grant this identity the role on the bucket."
        ) from None
    except google.PreconditionFailed:
        raise StateError(
            f"{location} was written by another process in between. Run again."
        ) from None
    except auth.GoogleAuthError as error:
        raise credentials_error(error) from None
    except google.GoogleAPICallError as error:
        reported = str(error.message).partition("\n")[0]
        raise SettingsError(
            f"Cloud Storage refuses a request for {location} ({error.code}: {reported}): "
            "correct what "
            "it names, or the credentials."
        ) from None


def missing_bucket(name: str, settings: Settings) -> SettingsError:
    named_by = [variable for variable, value in settings.variables().items() if value == name]
    return SettingsError(
        f"The bucket gs://{name} does not exist: create it (Terraform does on Google, "
        f"./run_pipeline.py provision locally) or correct {' or '.join(named_by) or 'its name'}."
    )
