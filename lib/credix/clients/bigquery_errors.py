"""BigQuery's errors as the product's, over REST and over the Storage API alike."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core import exceptions as google
from google.auth import exceptions as auth

from credix.clients.credentials import credentials_error
from credix.errors import SettingsError, SourceError
from credix.foreign_text import without_values


@contextmanager
def translated(target: str) -> Iterator[None]:
    """Raises SettingsError where access or a thing is missing, SourceError for a wrong query."""
    try:
        yield
    except google.Forbidden as error:
        message = without_values(error.message)
        raise SettingsError(
            f"Access to {target} is denied ({message}): grant this identity the role."
        ) from None
    except google.NotFound as error:
        raise SettingsError(
            f"BigQuery does not find what {target} needs: {error.message}. Create it "
            "(Terraform does on Google, ./run_pipeline.py up locally) or correct GCP_PROJECT, "
            "CREDIX_PREFIX or CREDIX_BIGQUERY_LOCATION."
        ) from None
    except google.BadRequest as error:
        message = without_values(error.message)
        raise SourceError(f"BigQuery refused a query on {target}: {message}") from None
    except auth.GoogleAuthError as error:
        raise credentials_error(error) from None
