"""The command `doctor`."""

import sys

import click

from credix.cli import terminal
from credix.cli.help import ENV_OPTION, JSON_OPTION, examples

SIGNS = {"ok": "✔", "warning": "!", "failed": "✘", "skipped": "-"}


@click.command(
    epilog=examples(
        ("doctor", "a line for each thing, exit code 1 when one has failed"),
        ("doctor --env dev", "settings, credentials, buckets, datasets of dev"),
        ("doctor --json", "for programs"),
    )
)
@ENV_OPTION
@JSON_OPTION
def doctor(env: str | None, *, as_json: bool) -> None:
    """Check what a run needs, and say what fixes it; start and change nothing."""
    from credix.operations.doctor import examine, is_healthy

    findings = list(examine(env))
    if as_json:
        terminal.print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            terminal.print_finding(SIGNS[finding.status], finding.check, finding.found)
    if not is_healthy(findings):
        sys.exit(1)


COMMANDS = (doctor,)
