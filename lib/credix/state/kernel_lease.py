"""A lease that a kernel keeps while its cells work, and gives back when it is left alone.

A notebook opened by hand has no process around it that releases what it holds: a cell fails, its
kernel is shut down, or the person goes to lunch. Each kernel therefore renews its lease only while
a cell runs, at most CREDIX_NOTEBOOK_TIMEOUT_SECONDS, or has ended less than CREDIX_PAUSE_SECONDS
ago. The next cell takes the lease again; the fence says whether another run has begun meanwhile.
"""

import atexit
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from credix.core.errors import CredixError, FenceError
from credix.core.settings import Settings
from credix.state.lease_keeper import LeaseKeeper
from credix.state.leases import new_lease
from credix.state.states import FencedState, Lease

# Changes the state that the lease is of, as `StateStore.change_gold` does.
Change = Callable[[Callable[[Any], Any]], FencedState]


class KernelLease:
    """The lease of one attempt, kept by this process; outside IPython until it is stopped.

    With `follows_cells` the next cell takes again what a pause has cost, and a cell that fails
    costs nothing. Without, a cell that fails gives the lease back, and only `take_again` takes it.
    """

    _kept: ClassVar[dict[str, "KernelLease"]] = {}

    def __init__(
        self,
        subject: str,
        run_id: str,
        attempt: int,
        change: Change,
        settings: Settings,
        *,
        follows_cells: bool,
    ) -> None:
        self.follows_cells = follows_cells
        self.subject, self.run_id, self.attempt = subject, run_id, attempt
        self.settings, self._change = settings, change
        self._shell = running_shell()
        self._keeper: LeaseKeeper | None = None
        # When the cell that is at work began, or the last one ended; None without cells.
        self._since = time.monotonic() if self._shell else None
        self._is_at_work = True

    def begin(self) -> Self:
        """Keep the lease, which is this process's already, in place of an earlier one of its own.

        A cell that is executed again makes another claim on the same state.
        """
        earlier = self._kept.pop(self.subject, None)
        if earlier:
            earlier.stop()
        self._kept[self.subject] = self
        if self._shell:
            self._shell.events.register("pre_run_cell", self.before_cell)
            self._shell.events.register("post_run_cell", self.after_cell)
            atexit.register(self.give_back)
        self._start()
        return self

    def take_over(self) -> Self:
        """Take the lease over for this process and keep it; raises FenceError when superseded."""
        self._change(lambda state: state.hold(self.attempt, self._lease()))
        return self.begin()

    def take_again(self) -> None:
        """Take a lease that was given back; raises FenceError when another run has begun since."""
        if self._keeper is None or not self._keeper.is_alive:
            self._change(lambda state: state.hold(self.attempt, self._lease()))
            self._start()

    def give_back(self) -> None:
        """Let others have it; a lease that cannot be given back ends by its term."""
        if self._keeper:
            self._keeper.stop()
        self._keeper = None
        with suppress(CredixError):
            self._change(lambda state: state.give_back(self._lease()))

    def stop(self) -> None:
        """Keep it no longer, and leave the state as it is."""
        if self._keeper:
            self._keeper.stop()
        self._keeper = None
        if self._kept.get(self.subject) is self:
            del self._kept[self.subject]
        if self._shell:
            for event, hook in (
                ("pre_run_cell", self.before_cell),
                ("post_run_cell", self.after_cell),
            ):
                with suppress(ValueError):
                    self._shell.events.unregister(event, hook)
            atexit.unregister(self.give_back)

    def before_cell(self, *_: Any) -> None:
        """Take again what a pause has cost; say so where another run has it."""
        paused = time.monotonic() - (self._since or 0)
        self._since, self._is_at_work = time.monotonic(), True
        if not self.follows_cells or (self._keeper and self._keeper.is_alive):
            return
        try:
            self.take_again()
        except FenceError as superseded:
            print(f"This run no longer holds {self.subject}: {superseded} Begin again with 01.")
            self.stop()
        except CredixError as error:
            print(f"This run could not take {self.subject} again: {error}")
        else:
            print(
                f"This run had given {self.subject} back, {paused / 60:.0f} min after its last "
                "cell, and holds it again: no other run has begun since."
            )

    def after_cell(self, result: Any = None) -> None:
        """Note that the pause begins."""
        self._since, self._is_at_work = time.monotonic(), False
        if not self.follows_cells and result is not None and not result.success:
            self.give_back()

    def _start(self) -> None:
        self._keeper = LeaseKeeper(self._renew, self._term)
        self._keeper.start()

    def _renew(self, _now: datetime, _term: timedelta) -> None:
        """Renew, or release what no process works with; raises FenceError to end the renewals."""
        if self._since is not None:
            bound = self.settings.notebook_timeout_seconds
            bound = bound if self._is_at_work else self.settings.pause_seconds
            if time.monotonic() - self._since > bound:
                self._change(lambda state: state.give_back(self._lease()))
                raise FenceError(f"No cell has begun or ended for {bound} s.")
        self._change(lambda state: state.keep(self._lease()))

    def _lease(self) -> Lease:
        return new_lease(self.run_id, self._term, self.settings.execution)

    @property
    def _term(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_seconds)


def stop_keeping(subject: str) -> None:
    """Keep the lease on this no longer; nothing happens where this process keeps none."""
    kept = KernelLease._kept.get(subject)
    if kept:
        kept.stop()


def running_shell() -> Any:
    """Return the kernel's IPython; None in a process that is no kernel."""
    found = sys.modules.get("IPython")
    return found.get_ipython() if found else None
