"""A run by hand holds its source while somebody works on it, and blocks nobody afterwards."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from credix.clients.gcs.lake import Lake
from credix.core.jobs import NOTEBOOKS
from credix.core.settings import Settings
from credix.state.store import StateStore
from tests.runs_by_hand import begin

SECONDS = 60
OPEN = """
from credix.state.run import open_run
from credix.warehouse import transform
run = open_run("installments", "", "", 0, None, "2024-03-01", commit=True)
"""
CONTINUE = """
from credix.state.run import resume_run
run = resume_run("", "")
"""


class Notebook:
    """A kernel as JupyterLab starts it for a notebook."""

    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(NOTEBOOKS))
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(SECONDS)

    def run(self, cell: str) -> str:
        """What the cell prints, or the name of the error that it raises."""
        printed: list[str] = []

        def listen(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(cell, output_hook=listen, timeout=SECONDS)
        content = reply["content"]
        return "".join(printed) if content["status"] == "ok" else content["ename"]

    def shut_down(self) -> None:
        """As *Shut Down Kernel* does."""
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture
def open_notebook(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Notebook]]:
    assert settings
    monkeypatch.setenv("CREDIX_LEASE_SECONDS", "10")
    monkeypatch.setenv("CREDIX_PAUSE_SECONDS", "1")
    opened: list[Notebook] = []

    def make() -> Notebook:
        opened.append(Notebook())
        return opened[-1]

    yield make
    for notebook in opened:
        if notebook.manager.is_alive():
            notebook.manager.shutdown_kernel(now=True)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.usefixtures("tables", "warehouse")
def test_kernels_hand_the_lease_over_and_give_it_back_after_a_pause_a_fault_or_their_end(
    settings: Settings, lake: Lake, open_notebook: Callable[[], Notebook]
) -> None:
    states = StateStore(settings, lake)

    def source() -> Any:
        return states.read_source("installments").lease

    first, second = open_notebook(), open_notebook()
    assert first.run(OPEN) == ""
    opened = source()
    assert second.run(CONTINUE) == ""
    assert source().run_id == opened.run_id
    assert source().instance != opened.instance

    # A cell at work keeps it, a pause does not, and the next cell takes it again.
    assert second.run("import time; time.sleep(5)") == ""
    assert source() is not None
    wait_until(lambda: source() is None)
    assert "holds it again" in second.run("pass")
    assert source() is not None

    # Gold goes with the first cell that fails, and is taken again by the next build alone.
    assert (
        second.run("from credix.warehouse import transform; claim = transform.claim_gold(run)")
        == ""
    )
    assert states.read_gold().lease is not None
    assert second.run("1 / 0") == "ZeroDivisionError"
    assert states.read_gold().lease is None
    assert second.run("transform.require_claim(run, claim)") == ""
    assert states.read_gold().lease is not None

    second.shut_down()
    assert (source(), states.read_gold().lease) == (None, None)

    newer = begin(settings, "installments")
    assert "is superseded" in first.run("pass")
    assert first.run(CONTINUE) == "FenceError"
    assert source().run_id == newer.run_id
