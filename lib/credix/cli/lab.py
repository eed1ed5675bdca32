"""The command `lab`."""

import contextlib
import os
import webbrowser

import click

from credix.cli import terminal
from credix.cli.help import ENV_OPTION, examples
from credix.operations import environment


@click.command(
    epilog=examples(
        ("lab", "opens the browser; Ctrl-C ends it"),
        ("lab --no-browser --port 9000", "prints the address"),
    )
)
@ENV_OPTION
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free from 8888.")
@click.option(
    "--ip",
    default="127.0.0.1",
    show_default=True,
    help="Where it listens: 0.0.0.0 in a container, whose port is published on 127.0.0.1 alone.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def lab(env: str | None, port: int | None, ip: str, *, no_browser: bool) -> None:
    """Start JupyterLab with the servers it needs, at 00_start_here; Ctrl-C ends it."""
    settings = environment.enter(env, terminal.say, writes=False)
    from credix.operations.lab import Lab

    started = Lab.start(settings, port, os.environ, ip)
    try:
        terminal.console.print(f"JupyterLab: {started.address}", markup=False)
        terminal.say("Ctrl-C ends it with its kernels; the servers stay up until down.")
        if not no_browser:
            webbrowser.open(started.address)
        # Ctrl-C is the way to end it, and no failure.
        with contextlib.suppress(KeyboardInterrupt):
            started.process.wait()
    finally:
        started.stop()


COMMANDS = (lab,)
