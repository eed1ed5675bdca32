"""What a person asks of the data in a notebook: files, tables, one key's history, two runs.

Everything here reads and nothing writes. Columns that a contract lists under `personal_data` are
masked unless the explorer is opened with `shows_personal_data=True`.
"""

from credix.explore.explorer import Explorer, open_explorer
from credix.explore.show import show

__all__ = ["Explorer", "open_explorer", "show"]
