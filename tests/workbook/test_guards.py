"""What a step computes only to show it cannot fail the run."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from credix.workbook import explore, extract, land, load, report, show, transform

MODULES = (explore, extract, land, load, report, transform)
SHOWING = {
    f"{module.__name__.rpartition('.')[2]}.{name}": function
    for module in MODULES
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and name.startswith("show_")
}


@pytest.mark.parametrize("name", SHOWING)
def test_a_function_that_only_shows_puts_a_note_in_its_place(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    function: Callable[..., Any] = SHOWING[name]
    broken = [object() for _ in inspect.signature(function).parameters]

    assert function(*broken) is None

    assert show.NOT_SHOWN in capsys.readouterr().out


def test_a_step_has_such_functions() -> None:
    assert len(SHOWING) > 10


def test_tiers_of_a_portfolio_that_could_not_be_read_say_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report.show_tiers(None)
    assert "figures of the portfolio could not be read" in capsys.readouterr().out


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_function_says_what_it_does(module: Any) -> None:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and not name.startswith("_"):
            assert inspect.getdoc(function), name
