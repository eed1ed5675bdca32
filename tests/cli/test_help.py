"""The help teaches: each command shows lines that can be typed as they stand."""

import re
import shlex

import click
import pytest

from credix.cli.help import COMMAND, examples, sections
from credix.cli.main import commands

# They start or stop something, or print what a shell reads: there is nothing to tell a program.
WITHOUT_JSON = {
    *("completion", "down", "install-elementary", "lab", "provision", "reset", "seed", "up"),
}
EXAMPLE = re.compile(rf"^ +{re.escape(COMMAND)} (.+?)(?:  # .*| [|>] .*)?$", re.MULTILINE)


def help_of(name: str) -> str:
    command = commands.commands[name]
    with click.Context(command, info_name=name) as context:
        return command.get_help(context)


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_example_is_a_line_that_the_command_takes(name: str) -> None:
    lines = EXAMPLE.findall(help_of(name))
    assert lines, f"{name}: give it epilog=examples(...) of credix.cli.help"
    for line in lines:
        first, *arguments = shlex.split(line)
        assert first == name, line
        # It parses and checks the values; it does not call.
        commands.commands[name].make_context(name, arguments)


def test_every_command_has_its_place_in_the_help() -> None:
    assert "More" not in sections(list(commands.commands)), "give it a place in cli_help.SECTIONS"
    placed = {name for names in sections(list(commands.commands)).values() for name in names}
    assert placed == set(commands.commands)


def test_every_command_with_an_answer_tells_it_to_programs() -> None:
    silent = {
        name
        for name, command in commands.commands.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert silent == WITHOUT_JSON


def test_options_of_one_name_have_one_wording() -> None:
    told: dict[str, set[str]] = {}
    for command in commands.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.opts[0] in ("--env", "--source"):
                told.setdefault(parameter.opts[0], set()).add(str(parameter.help))
    assert len(told["--env"]) == 1, told


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_option_says_what_it_does(name: str) -> None:
    for parameter in commands.commands[name].params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


def test_meanings_that_do_not_fit_beside_their_example_stand_above_it() -> None:
    assert examples(("runs", "the last")) == f"\b\nExamples:\n  {COMMAND} runs  # the last"
    assert f"  # the last\n  {COMMAND} {'x' * 90}" in examples(("x" * 90, "the last"))
