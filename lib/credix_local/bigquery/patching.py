"""How a repair replaces a piece of the emulator: loudly when the piece is not there."""

from typing import Any


def replace(owner: Any, name: str, replacement: Any) -> Any:
    """Set an attribute of a module or class of the emulator; the original is returned.

    Raises AttributeError when the emulator has no such piece, as after a change of its version.
    """
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    return original
