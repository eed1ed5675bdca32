"""BigQuery's errors as the product's, over REST and over the Storage API alike.

The class of an error follows from what the caller can do (credix.core.errors): what the settings
or the grants decide is a SettingsError, what waiting decides is none of the data.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.api_core import exceptions as google
from google.auth import exceptions as auth

from credix.clients.bigquery.reasons import fault_of, fault_of_job
from credix.clients.credentials import credentials_error
from credix.core.errors import (
    CostError,
    CredixError,
    DataError,
    SettingsError,
    StateError,
    StepError,
    TransientError,
)
from credix.core.redaction import without_values
from credix.core.results import Fault

CLASSES: dict[Fault, type[CredixError]] = {
    Fault.TRANSIENT: TransientError,
    Fault.DENIED: SettingsError,
    Fault.MISSING: SettingsError,
    Fault.EXCESSIVE: CostError,
    Fault.STOPPED: TransientError,
    Fault.INVALID: DataError,
}
WAYS_OUT = {
    Fault.TRANSIENT: "Run again when BigQuery is back; everything already done is kept.",
    Fault.DENIED: "Grant this identity the role, or correct the credentials.",
    Fault.MISSING: "Create it (Terraform does on Google, ./run_pipeline.py provision locally) "
    "or correct GCP_PROJECT, CREDIX_PREFIX or CREDIX_BIGQUERY_LOCATION.",
    Fault.EXCESSIVE: "Raise the limit that it names (CREDIX_NOTEBOOK_TIMEOUT_SECONDS bounds the "
    "time of a job; quotas are the project's), or let it read less (docs/explanation/cost.md).",
    Fault.STOPPED: "An operator or another process cancelled the job: find out who, then run "
    "again; everything already done is kept.",
    Fault.INVALID: "Correct the table or the value that it names.",
}


def own_error(fault: Fault, reported: str) -> CredixError:
    """Return the error of that fault: what the server said, and the way out."""
    return CLASSES[fault](f"{reported.rstrip('.')}. {WAYS_OUT[fault]}")


def job_error(target: str, error_result: Mapping[str, Any]) -> CredixError:
    """Return the error of a load job that failed.

    DataError only where BigQuery refuses the files.
    """
    message = " ".join(without_values(str(error_result.get("message", ""))).split())
    fault = fault_of_job(error_result)
    if fault is Fault.INVALID:
        return DataError(f"BigQuery refused to load {target}: {message}")
    if fault is None:
        return StepError(
            f"BigQuery could not load {target} ({error_result.get('reason')}: {message}). The "
            "files stay where they are: run again."
        )
    return own_error(fault, f"BigQuery could not load {target}: {message}")


def query_error(target: str, error: google.GoogleAPICallError) -> DataError:
    """Return the error of a statement that BigQuery cannot compute."""
    return DataError(
        f"BigQuery refused a query on {target}: {in_one_line(error)}. {WAYS_OUT[Fault.INVALID]}"
    )


@contextmanager
def translated(target: str) -> Iterator[None]:
    """Raises the product's error for one of Google's, by what the caller can do.

    A request that is wrong by itself, not a statement, is one of the settings or the contract.
    """
    try:
        yield
    except auth.GoogleAuthError as error:
        raise credentials_error(error) from None
    except (google.PreconditionFailed, google.Conflict):
        raise StateError(
            f"{target} was changed by another process in between. Run again."
        ) from None
    except google.GoogleAPICallError as error:
        fault, reported = fault_of(error), in_one_line(error)
        if fault is Fault.DENIED:
            raise SettingsError(
                f"Access to {target} is denied ({reported}): grant this identity the role, or "
                "correct "
                "the credentials."
            ) from None
        if fault is Fault.MISSING:
            raise own_error(
                fault, f"BigQuery does not find what {target} needs: {reported}"
            ) from None
        if fault is Fault.INVALID:
            raise SettingsError(
                f"BigQuery refuses a request for {target} as invalid ({reported}): correct the "
                "setting, condition or contract that it names."
            ) from None
        if fault is not None:
            raise own_error(fault, f"BigQuery could not serve {target}: {reported}") from None
        raise StepError(
            f"BigQuery refuses a request for {target} ({error.code}: {reported}). Run again; if it "
            "comes back, look up what it names."
        ) from None


def in_one_line(error: google.GoogleAPICallError) -> str:
    """Its message, to which the library adds lines with the job; no value is quoted."""
    return " ".join(without_values(str(error.message)).split()).rstrip(".")
