"""The command `doctor`."""

import sys

import click

from credix import terminal

SIGNS = {"ok": "✔", "warning": "!", "failed": "✘", "skipped": "-"}


@click.command()
@click.option("--env", help="local, dev, stage or prod; by default CREDIX_ENV, else local.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(env: str | None, *, as_json: bool) -> None:
    """Check what a run needs, and tell what mends it; starts and changes nothing."""
    from credix.runs.doctor import examine, is_healthy

    findings = [finding.as_dict() for finding in examine(env)]
    if as_json:
        terminal.print_json(findings)
    else:
        for finding in findings:
            terminal.print_finding(SIGNS[finding["status"]], finding["check"], finding["found"])
    if not is_healthy(findings):
        sys.exit(1)


COMMANDS = (doctor,)
