"""Every error of the product, classed by what the caller can do about it.

The class decides the exit code of `run_pipeline.py`: 1 the run failed, 2 wrong usage or settings,
3 another run holds the source. 4 is no error: `reconcile` found differences.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class CredixError(Exception):
    """Base of all errors that the user sees as one sentence, without a traceback."""

    exit_code = 1


class SettingsError(CredixError):
    """The settings or the command are wrong: correct them and try again."""

    exit_code = 2


class BusyError(CredixError):
    """Another run holds the source: wait for it, or look at it with `runs`."""

    exit_code = 3


class SourceError(CredixError):
    """The source cannot be read as its contract says: correct the table, grants or contract."""


class DataError(CredixError):
    """A value, row, file or statement breaks a rule: correct the data or the table it names."""


class DiskError(CredixError):
    """The disk of CREDIX_RUN_DIR is full or cannot be written to: free space, or name another."""


class CostError(CredixError):
    """A job needs more bytes, time or quota than it may have: raise the bound, or read less."""


class StateError(CredixError):
    """A state file cannot be read or was written by another process in between."""


class FenceError(StateError):
    """A newer attempt owns the state: this run is superseded, its work is discarded."""


class TransientError(CredixError):
    """A server did not answer in time, or a job was cancelled: run again; what is done is kept."""


class StepError(CredixError):
    """A notebook failed; the message names the step and the cause."""


class UnexpectedError(StepError):
    """A notebook raised an unforeseen error; only the summary is sure to quote no row."""

    def __init__(self, message: str, summary: str = "A notebook failed.") -> None:
        super().__init__(message)
        self.summary = summary


class StackError(CredixError):
    """A server of the embedded stack does not start or answer."""


def find_own_error(name: str) -> type[CredixError] | None:
    """Return the error class of that name; None for one of other software."""
    kind = globals().get(name)
    return kind if isinstance(kind, type) and issubclass(kind, CredixError) else None


def first_fault(error: "ValidationError") -> str:
    """Name the first field that is at fault and say why, without its value."""
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"]) or "the file"
    return f"{field}: {fault['msg']}"
