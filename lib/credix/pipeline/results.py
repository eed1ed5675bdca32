"""How a step and a run ended: the step's result, the run's error in words."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError

from credix.core.errors import CredixError, FenceError, StepError, UnexpectedError
from credix.core.interrupts import TerminatedError
from credix.core.redaction import without_values


def read_result(path: Path, step: str) -> dict[str, Any]:
    """Raises StepError when a notebook ended without its result, whatever it says itself."""
    try:
        result = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        raise StepError(
            f"{step} ended without a step result: a cell left it early, as sys.exit(0) does."
        ) from None
    if result.get("status") not in ("done", "no_changes"):
        raise StepError(f"{step} ended with status {result.get('status')}.")
    return result


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The effects that the steps of a source have performed, also those of one that died."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    effects = []
    for line in lines:
        with suppress(json.JSONDecodeError):
            effects.append(json.loads(line))
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
    """The error for people who may not see rows: an error of this product quotes none."""
    if isinstance(error, UnexpectedError):
        return error.summary
    if isinstance(error, CredixError | KeyboardInterrupt):
        return describe_error(error)
    return f"The run failed with {type(error).__name__}."
