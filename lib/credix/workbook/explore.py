"""Files, tables and runs, as an analyst asks about them.

Everything here reads and nothing writes. Columns that a contract lists under `personal_data` are
masked unless the explorer is opened with `shows_personal_data=True`.
"""

from credix.operations.explore.explorer import Explorer, open_explorer
from credix.operations.explore.show import show

__all__ = ["Explorer", "open_explorer", "show"]
