"""Values that a test knows to be there."""

from typing import TypeVar

T = TypeVar("T")


def known(value: T | None) -> T:
    """Return the value; fails the test where there is none."""
    assert value is not None
    return value
