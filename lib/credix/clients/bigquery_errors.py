"""BigQuery's errors as the product's, over REST and over the Storage API alike."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core import exceptions as google
from google.auth import exceptions as auth

from credix.clients.credentials import credentials_error
from credix.errors import SettingsError, SourceError, StateError
from credix.foreign_text import without_values


@contextmanager
def translated(target: str) -> Iterator[None]:
    """Raises SettingsError where access or a thing is missing, SourceError for a wrong query."""
    try:
        yield
    except google.Forbidden as error:
        raise SettingsError(
            f"Access to {target} is denied ({in_one_line(error)}): grant this identity the role."
        ) from None
    except google.NotFound as error:
        told = " ".join(str(error.message).split())
        raise SettingsError(
            f"BigQuery does not find what {target} needs: {told}. Create it "
            "(Terraform does on Google, ./run_pipeline.py provision locally) or correct "
            "GCP_PROJECT, CREDIX_PREFIX or CREDIX_BIGQUERY_LOCATION."
        ) from None
    except google.BadRequest as error:
        raise SourceError(f"BigQuery refused a query on {target}: {in_one_line(error)}") from None
    except google.PreconditionFailed:
        raise StateError(f"{target} was changed by somebody else in between. Run again.") from None
    except auth.GoogleAuthError as error:
        raise credentials_error(error) from None
    except google.GoogleAPICallError as error:
        raise SettingsError(
            f"BigQuery refuses a request for {target} ({error.code}: {in_one_line(error)}): "
            "correct what it names, or the credentials."
        ) from None


def in_one_line(error: google.GoogleAPICallError) -> str:
    """Its message, to which the library adds lines with the job; no value is quoted."""
    return " ".join(without_values(str(error.message)).split()).rstrip(".")
