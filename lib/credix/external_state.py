"""What a run that takes files from outside leaves in a source's state.

`external` is the range of attempts since the last extract that may have brought such rows: the
next extract reads the keys of these attempts again, since the source alone knows which version is
the newest. `received` names the files, with generation, that bronze holds and that may still lie in
landing, and where in the archive each belongs. Neither moves the watermark.
"""

from credix.state import SourceState


def note_external(state: SourceState, attempt: int) -> SourceState:
    """The state before such rows can reach bronze; a read in slices that has begun is given up."""
    state.require(attempt)
    first = state.external[0] if state.external else attempt
    return state.model_copy(update={"external": (first, attempt), "slices": None})


def commit_external(state: SourceState, attempt: int, files: dict[str, str]) -> SourceState:
    """The state after bronze holds the rows of these files; raises FenceError when late."""
    state.require(attempt)
    return state.model_copy(update={"committed_seq": attempt, "received": files})
