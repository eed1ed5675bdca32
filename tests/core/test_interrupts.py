"""Signals end a command as Ctrl-C does, with time to clean up, also when the terminal is gone."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A command that has something to do when it ends, and reports it to its terminal.
PAUSE = """
import time
from pathlib import Path
import click
from credix.cli import main

@main.commands.command()
@click.argument("path")
def pause(path):
    Path(path).write_text("begun")
    try:
        time.sleep(60)
    finally:
        for _ in range(5):
            print("cleaning up", flush=True)
            time.sleep(0.1)
        Path(path).write_text("cleaned up")

main.main()
"""


def begin(
    path: Path, terminal: int | None = None, hangup: signal.Handlers = signal.SIG_DFL
) -> subprocess.Popen[str]:
    """The command, once it has begun to wait."""
    output = subprocess.PIPE if terminal is None else terminal
    # A child inherits what its parent ignores, as under nohup.
    before = signal.signal(signal.SIGHUP, hangup)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", PAUSE, "pause", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    deadline = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_once_and_is_named(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "done"
    process = begin(path)
    process.send_signal(number)
    time.sleep(0.2)
    process.send_signal(number)
    assert process.wait(60) == 1
    assert path.read_text() == "cleaned up"
    assert f"Ended by {number.name}." in process.communicate()[1]


def test_a_command_whose_terminal_is_closed_cleans_up_without_it(tmp_path: Path) -> None:
    path = tmp_path / "done"
    ours, theirs = pty.openpty()
    process = begin(path, theirs)
    os.close(theirs)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 1
    assert path.read_text() == "cleaned up"


def test_a_command_that_shall_outlive_its_terminal_goes_on(tmp_path: Path) -> None:
    process = begin(tmp_path / "done", hangup=signal.SIG_IGN)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.kill()
    process.wait()
