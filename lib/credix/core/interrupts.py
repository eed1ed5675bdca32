"""What ends a run from outside; no error of the product, and nothing catches it on its way."""

import os
import signal
import stat
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

# A scheduler or the machine ends the process; a terminal or SSH connection was closed.
ENDING = (signal.SIGTERM, signal.SIGHUP)


class TerminatedError(KeyboardInterrupt):
    """A signal has ended the process: not the user, but a scheduler, the machine or a terminal."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(signal.Signals(number).name)


def end_by_signals() -> None:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does: leases released, manifest written.

    A process that was started to outlive its terminal, as by nohup, ignores SIGHUP further on.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, terminate)


def terminate(number: int, _frame: FrameType | None) -> NoReturn:
    """Raise TerminatedError, once: a shell and the kernel may both report a closed terminal.

    A second signal would interrupt what the first one has the run do.
    """
    for ending in ENDING:
        signal.signal(ending, ignore)
    if number == signal.SIGHUP:
        leave_terminal()
    raise TerminatedError(number)


def ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; other than SIG_IGN this is not inherited by the programs that are started."""


def leave_terminal() -> None:
    """Write to no terminal any more: one that is gone raises an error at each line."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
                os.dup2(nowhere.fileno(), stream.fileno())
