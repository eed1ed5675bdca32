"""Ends this process before or after the n-th side effect of a name, where DIE_AT says so."""

import os
import re
import signal
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

FOUND = re.fullmatch(r"([a-z_.]+)(?:#(\d+))?:(before|after)", os.environ.get("DIE_AT", ""))


def install(wanted: str, number: int, moment: str) -> None:
    """Wrap the one door for side effects."""
    from credix.clients.effects import Effects

    original = Effects.perform

    def perform(self: Effects, name: str, target: str, action: Callable[[], Any]) -> Any:
        nonlocal number
        number -= name == wanted
        is_here = name == wanted and number == 0
        if is_here and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(self, name, target, action)
        if is_here:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    patch.object(Effects, "perform", perform).start()


if FOUND:
    install(FOUND[1], int(FOUND[2] or 1), FOUND[3])
