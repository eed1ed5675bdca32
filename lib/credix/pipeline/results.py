"""How a step and a run ended: the step's result, the run's error in words."""

from contextlib import suppress
from pathlib import Path

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from pydantic import TypeAdapter, ValidationError

from credix.core.errors import CredixError, FenceError, StepError, UnexpectedError, first_fault
from credix.core.interrupts import TerminatedError
from credix.core.redaction import without_values
from credix.core.results import AnyResult, EffectRecord

RESULT: TypeAdapter[AnyResult] = TypeAdapter(AnyResult)


def read_result(path: Path, step: str) -> AnyResult:
    """Raise StepError when a notebook ended without its result, whatever it says itself."""
    try:
        return RESULT.validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        reason = "a cell left it early, as sys.exit(0) does"
    except ValidationError as error:
        reason = first_fault(error)
    raise StepError(f"{step} ended without a step result: {reason}.") from None


def read_journal(path: Path) -> list[EffectRecord]:
    """Return the effects that the steps of a source have performed, also of a failed one."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    effects = []
    for line in lines:
        with suppress(ValidationError):
            effects.append(EffectRecord.model_validate_json(line))
    return effects


def describe_error(error: BaseException) -> str:
    """Say what ended a run or a notebook; an error of other software loses the values it quotes."""
    if isinstance(error, DeadKernelError):
        return "Its kernel died: it was killed, by a user or for want of memory."
    if isinstance(error, CellTimeoutError):
        return "A cell took longer than CREDIX_NOTEBOOK_TIMEOUT_SECONDS allows."
    if isinstance(error, TerminatedError):
        return f"Ended by {error}."
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted by the user."
    if isinstance(error, FenceError):
        return f"Superseded: {error}"
    if isinstance(error, CredixError):
        return str(error)
    return f"{type(error).__name__}: {without_values(str(error))}"


def summarize_error(error: BaseException) -> str:
    """Return the error for people who may not see rows: an error of this product quotes none."""
    if isinstance(error, UnexpectedError):
        return error.summary
    if isinstance(error, CredixError | KeyboardInterrupt):
        return describe_error(error)
    return f"The run failed with {type(error).__name__}."
