"""What ends a run from outside; no error of the product, and nothing catches it on its way."""

from types import FrameType
from typing import NoReturn


class TerminatedError(KeyboardInterrupt):
    """SIGTERM has ended the process: not the user, but a scheduler or the machine."""


def terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends a run as Ctrl-C does: leases given free, manifest written."""
    raise TerminatedError
