"""One call of dbt in this process, which tells it what it would take from the process otherwise."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from credix.core.quick_imports import skip_schema_formats

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

FLAG_SOURCE = "_default_source"


def call_dbt(
    command: Sequence[str], options: Sequence[str], variables: Mapping[str, str]
) -> "dbtRunnerResult":
    """Run `dbt <command> <options>`; the line that dbt logs as its own is the command alone."""
    skip_schema_formats()
    from dbt.cli.main import dbtRunner
    from dbt_common.behavior_flags import BehaviorFlagRendered

    # For each of its flags dbt reads the source of whatever stands on the stack, at every call.
    setattr(BehaviorFlagRendered, FLAG_SOURCE, staticmethod(lambda: "dbt"))
    with environment(variables), told_as(["dbt", *command]):
        return dbtRunner().invoke([*command, *options])


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for one call of dbt only, which reads its settings from the environment.

    What dbt has changed is undone variable by variable: other threads read the environment, the
    lease keeper for proxies and credentials, and must never find it empty.
    """
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        after = dict(os.environ)
        for name in after.keys() - before.keys():
            os.environ.pop(name, None)
        os.environ.update(dict(before.items() - after.items()))


@contextmanager
def told_as(line: list[str]) -> Iterator[None]:
    """Dbt logs the process's own command line as its own, which may hold a key to be erased."""
    before = sys.argv
    sys.argv = line
    try:
        yield
    finally:
        sys.argv = before
