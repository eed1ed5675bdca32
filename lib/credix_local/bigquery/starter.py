"""The BigQuery server as a process of the stack."""

import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

import credix
from credix_local import process
from credix_local.bigquery.googlesql.installation import compile_once
from credix_local.daemon import await_health, find_own

MODULE = "credix_local.bigquery.server"


@dataclass
class BigQueryServer:
    """The server of one stack: REST and the Storage API (gRPC) over a DuckDB file."""

    folder: Path
    ports: dict[str, int]
    holds_jobs: bool = False
    name: str = "BigQuery (bqemulator)"
    port_names: tuple[str, ...] = ("bigquery", "bigquery_grpc")

    @property
    def port(self) -> int:
        return self.ports["bigquery"]

    @property
    def grpc_port(self) -> int:
        return self.ports["bigquery_grpc"]

    @property
    def data(self) -> Path:
        return self.folder / "bigquery"

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "bigquery.log"

    @property
    def pid_file(self) -> Path:
        return self.folder / "run" / "bigquery.json"

    @property
    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", MODULE, "--data", str(self.data)),
            *("--objects", str(self.folder / "gcs")),
            *("--port", str(self.port), "--grpc-port", str(self.grpc_port)),
            *(["--holds"] if self.holds_jobs else []),
        ]

    def find(self) -> psutil.Process | None:
        return find_own(self.pid_file, MODULE, str(self.data))

    def serves_here(self, found: psutil.Process) -> bool:
        wanted = {str(self.data), str(self.port), str(self.grpc_port)}
        return wanted <= set(process.command_line(found))

    def answers(self) -> bool:
        return process.answers_http(self.port, "/readyz") and accepts_connections(self.grpc_port)

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        process.rotate(self.log)
        compile_once()
        # The package is found there also where it is not installed.
        library = str(Path(credix.__file__).parents[1])
        path = os.pathsep.join([library, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = process.clean_environment(PYTHONPATH=path, PYTHONUNBUFFERED="1")
        started = process.spawn(self.command, self.log, environment)
        process.remember(self.pid_file, started)
        await_health(self, started)

    def stop(self) -> None:
        found = self.find()
        if found is not None:
            process.terminate(found, [(signal.SIGTERM, 15), (signal.SIGKILL, 5)])
        self.pid_file.unlink(missing_ok=True)


def accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False
