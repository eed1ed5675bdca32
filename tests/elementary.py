"""Elementary's dbt packages, where this machine has them: no test downloads them."""

import os
from pathlib import Path

from credix.clients.elementary import INSTALLED, PACKAGES
from credix.core.settings import collect_variables

NAMED = collect_variables(os.environ).get("CREDIX_ELEMENTARY_PACKAGES")
FOLDER = Path(NAMED) if NAMED else INSTALLED
IS_HERE = all((FOLDER / name).is_dir() for name in PACKAGES)
WHY = "Elementary's dbt packages are not here: ./run_pipeline.py install-elementary"
