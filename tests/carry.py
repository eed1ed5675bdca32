"""Carries one source to bronze in a process of its own, which may be told to die: argv is it."""

import sys

from credix.settings import Settings
from tests.runs_by_hand import carry

if __name__ == "__main__":
    carry(Settings.load(), sys.argv[1])
