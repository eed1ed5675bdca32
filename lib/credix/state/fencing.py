"""A step that fails because its run is superseded says so, not what it stumbled over.

A superseded run that wakes up misses its parts on disk, its files in landing or its temp table: the
run that began since has cleared them away and read the same rows.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from credix.core.errors import CredixError, FenceError
from credix.state.run import Run

P = ParamSpec("P")
T = TypeVar("T")


def fenced(step: Callable[Concatenate[Run, P], T]) -> Callable[Concatenate[Run, P], T]:
    """Raise FenceError in place of whatever a step of a superseded run raises."""

    @wraps(step)
    def call(run: Run, /, *arguments: P.args, **options: P.kwargs) -> T:
        try:
            return step(run, *arguments, **options)
        except FenceError:
            raise
        except Exception:
            found = find_successor(run)
            if found:
                raise found from None
            raise

    return call


def find_successor(run: Run) -> FenceError | None:
    """Return the error of a superseded run; None where it is not, or that cannot be known."""
    try:
        require_fence(run)
    except FenceError as superseded:
        return superseded
    except CredixError:
        return None
    return None


def require_fence(run: Run) -> None:
    """Raise FenceError when another run has begun on the source since this attempt.

    A run without a fence, such as a comparison, is superseded by none.
    """
    if not run.attempt:
        return
    state = run.states.read_source(run.source.name)
    if state.is_superseded(run.run_id, run.attempt):
        state.require(run.attempt)
