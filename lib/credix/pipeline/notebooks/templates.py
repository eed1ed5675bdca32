"""Templates of kernels: processes that have done a notebook's imports, and fork its kernels."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

PROCESS = "credix.pipeline.notebooks.template_process"
PROVISIONER = "credix-template"
# `python -m ipykernel_launcher` of a kernel's command.
LAUNCHER_WORDS = 3
# What `ps` and `top` show of a kernel.
KERNEL_NAME = "credix-kernel"
FORKS = "forks"
# The exit code of a kernel whose own is not known.
ENDED = 1
# The frameworks of macOS do not survive a fork: there each template becomes one kernel itself.
CAN_FORK = sys.platform == "linux"


class Template:
    """The run's side of a template process; closing it ends the process."""

    def __init__(
        self, control: socket.socket, process: "subprocess.Popen[bytes] | None" = None
    ) -> None:
        self._control, self._answers, self._process = control, control.makefile("r"), process
        self._ordered: deque[ForkedKernel] = deque()
        self.is_spent = False

    @classmethod
    def start(cls, module: str) -> "Template":
        """Start a process that imports this module of the workbook."""
        ours, theirs = socket.socketpair()
        with theirs:
            number, mode = theirs.fileno(), FORKS if CAN_FORK else KERNEL_NAME
            process = subprocess.Popen(
                [sys.executable, "-m", PROCESS, str(number), module, str(os.getpid()), mode],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return cls(ours, process)

    def branch(self, module: str) -> "Template":
        """Return a template that forks off from this one and imports this module as well."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._request({"module": module}, theirs.fileno())
        return Template(ours)

    def order(
        self, arguments: list[str], folder: str, environment: Mapping[str, str]
    ) -> "ForkedKernel | subprocess.Popen[bytes]":
        """Return a kernel that starts as soon as the imports are done."""
        what = {"arguments": arguments, "folder": folder, "environment": dict(environment)}
        self._request(what)
        if self._process and not CAN_FORK:
            self.is_spent = True
            return self._process
        kernel = ForkedKernel(self)
        self._ordered.append(kernel)
        return kernel

    def await_answer(self, kernel: "ForkedKernel") -> None:
        """Give each ordered kernel, up to this one, its process id, or 0 where there is none."""
        while kernel in self._ordered:
            answer = ""
            with contextlib.suppress(OSError):
                answer = self._answers.readline()
            self._ordered.popleft().begin(int(answer or 0))

    def close(self) -> None:
        """End the process, and those that branch off from it, also in the midst of an import.

        What has become of the kernels that were ordered is known then.
        """
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        while self._ordered:
            self.await_answer(self._ordered[0])
        self._answers.close()
        self._control.close()

    def _request(self, request: Mapping[str, object], *descriptors: int) -> None:
        # Of a template that has died there is no answer either: its kernel counts as dead.
        with contextlib.suppress(OSError):
            line = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(self._control, [line], descriptors)
            self._control.sendall(line[sent:])


class ForkedKernel:
    """A kernel as `subprocess.Popen` shows one, though another process is its parent."""

    stdin = stdout = stderr = None

    def __init__(self, template: Template) -> None:
        self._template, self._descriptor = template, -1
        self.pid = 0
        self.returncode: int | None = None

    def begin(self, pid: int) -> None:
        """Take on the process id; 0 where the template has died instead."""
        self.pid = pid
        with contextlib.suppress(ProcessLookupError):
            if pid:
                self._descriptor = os.pidfd_open(pid)
                return
        self.returncode = ENDED

    def poll(self) -> int | None:
        """Return None while it runs. Waits for the template where it has not answered yet."""
        self._template.await_answer(self)
        if self.returncode is None and select.select([self._descriptor], [], [], 0)[0]:
            os.close(self._descriptor)
            self.returncode = ENDED
        return self.returncode

    def wait(self) -> int:
        while self.poll() is None:
            select.select([self._descriptor], [], [])
        return ENDED

    def send_signal(self, number: int) -> None:
        """Signal the kernel and what it has started, which are a group of their own."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                # Until it has made its group, which is the first that it does.
                signal.pidfd_send_signal(self._descriptor, number)
                os.killpg(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class TemplatedManager(AsyncKernelManager):
    """A manager whose kernel comes from this template."""

    def __init__(self, template: Template, **options: Any) -> None:
        super().__init__(**options)
        self.template = template
        if self.kernel_spec:
            provisioner = {"provisioner_name": register_provisioner()}
            self.kernel_spec.metadata["kernel_provisioner"] = provisioner


class TemplateProvisioner(LocalProvisioner):
    """Takes a kernel from the template of its manager, where Jupyter's own would start one."""

    process: Any

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        assert isinstance(self.parent, TemplatedManager)
        template = self.parent.template
        arguments = cmd[LAUNCHER_WORDS:]
        self.process = template.order(arguments, kwargs["cwd"], kwargs["env"])
        return self.connection_info


def register_provisioner() -> str:
    """Make the provisioner known to Jupyter, which otherwise looks for installed packages."""
    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(
        PROVISIONER, f"{__name__}:{TemplateProvisioner.__name__}", factory.GROUP_NAME
    )
    factory.provisioners[PROVISIONER] = entry
    return PROVISIONER
