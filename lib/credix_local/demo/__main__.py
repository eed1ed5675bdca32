"""Write demo data as Parquet files: `python -m credix_local.demo FOLDER`."""

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from credix.core.disk import make_folder
from credix.core.errors import CredixError
from credix_local.demo.write import COMPANIES, INSTALLMENTS, SEED, write_demo_data


def main(arguments: list[str] | None = None) -> int:
    """Write demo data; 0 done, 2 wrong usage, or a folder that cannot be written."""
    parser = argparse.ArgumentParser("python -m credix_local.demo", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--companies", type=int, default=COMPANIES)
    parser.add_argument("--installments", type=int, default=INSTALLMENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        default=datetime.now(UTC).date(),
        help="last day of the history, YYYY-MM-DD",
    )
    options = parser.parse_args(arguments)
    try:
        paths = write_demo_data(
            make_folder(options.folder, "chown it to this user, or name another one"),
            today=options.today,
            companies=options.companies,
            installments=options.installments,
            seed=options.seed,
        )
    except CredixError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for path in paths:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
