#!/usr/bin/env python3
"""The command line of the workbook; from any Python it continues in `.venv`, if there is one."""

import os
import sys
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parent / ".venv"


def main():
    python = ENVIRONMENT / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != ENVIRONMENT:
        os.execv(python, [str(python), str(Path(__file__).resolve()), *sys.argv[1:]])
    try:
        from credix.cli.main import main as run
    except ModuleNotFoundError as error:
        sys.exit(f"{error}. Run 'make install' first; it makes .venv with everything in it.")
    run()


if __name__ == "__main__":
    main()
