"""What the help of all commands has in common: options in one wording, examples, their order."""

import click

PROGRAM = "run_pipeline.py"
COMMAND = f"./{PROGRAM}"
# Beside it a meaning still fits the line.
LONGEST_EXAMPLE = 80
SECTIONS = {
    "Runs": ("run", "schedule", "lab"),
    "Look": ("status", "runs", "doctor"),
    "Repair": ("reconcile", "backfill", "rewind", "replay", "evolve", "erase"),
    "Set up": ("add-source", "provision", "install-elementary", "completion"),
    "Servers on this machine": ("up", "down", "env", "seed", "simulate", "reset"),
}
EXIT_CODES = (
    ("0", "done"),
    ("1", "the run failed, or doctor found something"),
    ("2", "wrong usage or settings: correct what it names"),
    ("3", "another run holds the source"),
    ("4", "reconcile found differences, and was not asked to repair them"),
)

ENV_OPTION = click.option(
    "--env",
    help="local, dev, stage or prod; by default CREDIX_ENV, else local.",
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
YES_OPTION = click.option(
    "--yes", is_flag=True, help="Do it; without, only show what it would touch."
)


def examples(*lines: tuple[str, str]) -> str:
    """Return the epilog of a command: what can be typed as it stands, and what it does."""
    width = max(len(line) for line, _ in lines)
    fits = max(width + len(meaning) for line, meaning in lines) <= LONGEST_EXAMPLE
    shown = [
        f"  {COMMAND} {line:<{width}}  # {meaning}"
        if fits
        else f"  # {meaning}\n  {COMMAND} {line}"
        for line, meaning in lines
    ]
    return "\n".join(["\b", "Examples:", *shown])


def sections(names: list[str]) -> dict[str, list[str]]:
    """These commands in the order in which they are listed; one that has no place comes last."""
    placed = {
        title: [name for name in listed if name in names] for title, listed in SECTIONS.items()
    }
    known = {name for listed in SECTIONS.values() for name in listed}
    placed["More"] = [name for name in names if name not in known]
    return {title: listed for title, listed in placed.items() if listed}
