"""A hot standby of a test's own server, made by pg_basebackup."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from credix.core.settings import Settings
from credix_local import process
from credix_local.cluster import Cluster, open_cluster, own
from credix_local.files import remove
from credix_local.postgres import USER, PostgresServer
from tests.conftest import connected

REPLAY_SECONDS = 30


@dataclass
class Standby(PostgresServer):
    """A server that follows `primary` and runs on its binaries."""

    primary: PostgresServer | None = None

    def start(self) -> None:
        assert self.primary is not None
        cluster = open_cluster(self.primary.home)
        assert self._try_start(Cluster(self.home, cluster.binaries, cluster.account))

    def settings(self, of_primary: Settings) -> Settings:
        return of_primary.model_copy(update={"postgres_port": self.port})

    def catch_up(self, of_primary: Settings) -> None:
        """Wait until all that the primary has flushed is replayed here."""
        flushed = ask(of_primary, "SELECT pg_current_wal_flush_lsn()::text")
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{flushed}'"
        own = self.settings(of_primary)
        assert process.wait_until(lambda: ask(own, replayed) is True, REPLAY_SECONDS)


@contextmanager
def running_standby(primary: PostgresServer) -> Iterator[Standby]:
    cluster = open_cluster(primary.home)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = primary.home.with_name(f"{primary.home.name}-standby")
    home.mkdir()
    own(home, cluster.account)
    address = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", USER)
    backup = ("-D", str(home / "data"), "-R", "-c", "fast")
    subprocess.run(
        [str(cluster.program("pg_basebackup")), *address, *backup],
        cwd="/",
        env=process.clean_environment(LC_ALL="C", PGPASSWORD=primary.password),
        check=True,
        **process.as_account(cluster.account),
    )
    with (home / "data" / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write("\nwal_retrieve_retry_interval = '100ms'\n")
    made = Standby(primary.folder / "standby", {"postgres": port}, primary.password, home)
    made.primary = primary
    made.start()
    try:
        yield made
    finally:
        made.stop()
        remove(home)


def ask(settings: Settings, sql: str) -> object:
    """The only value of a query."""
    with closing(connected(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
        assert row is not None
        return row[0]
