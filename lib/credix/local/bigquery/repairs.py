"""All repairs of the emulator, in the order in which they must be made."""

from pathlib import Path

from credix.local.bigquery import repairs_storage


def apply(data: Path) -> None:
    """Repair the emulator in this process; `data` is its folder."""
    repairs_storage.apply(data)
