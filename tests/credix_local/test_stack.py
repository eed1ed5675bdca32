"""The stack starts, tells its variables, keeps its data, stops and goes away without a trace."""

import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest

from credix.core.errors import StackError
from credix.core.settings import Settings, read_env_file
from credix_local import process, stack
from credix_local.gcs import GcsServer
from credix_local.record import Record
from tests.credix_local.servers import (
    connect_bigquery,
    connect_postgres,
    connect_storage,
    processes,
    servers_of,
    sockets_of,
    start_command,
)
from tests.known import known

NAMES = {
    *("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"),
    *("GCP_PROJECT", "STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"),
    *("CREDIX_BIGQUERY_GRPC_ENDPOINT", "CREDIX_GOOGLE_CREDENTIALS"),
}


def test_a_running_stack_starts_again_without_doing_anything(stack_folder: Path) -> None:
    again = stack.start(stack_folder)
    assert (again.started, again.messages) == ((), ())
    assert stack.is_running(stack_folder)


def test_the_variables_are_complete_private_and_understood_by_the_settings(
    stack_folder: Path,
) -> None:
    path = stack_folder / "stack.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    variables = stack.variables(stack_folder)
    assert set(variables) == NAMES
    assert read_env_file(path) == variables
    assert Settings.parse(variables).variables().items() >= variables.items()


def test_a_value_survives_the_file(tmp_path: Path) -> None:
    values = {"PLAIN": "a", "ODD": 'sp ace #hash "double" $dollar \\n', "EMPTY": ""}
    (tmp_path / "stack.env").write_text(stack.as_dotenv(values))
    assert stack.variables(tmp_path) == values


def test_postgres_is_ours_strict_and_ready_for_a_slot(variables: dict[str, str]) -> None:
    connection = connect_postgres(variables)
    with connection, connection.cursor() as cursor:
        found = {}
        for name in ("wal_level", "TimeZone", "listen_addresses", "password_encryption"):
            cursor.execute(f"SHOW {name}")
            found[name] = known(cursor.fetchone())[0]
    connection.close()
    assert found == {
        "wal_level": "logical",
        "TimeZone": "UTC",
        "listen_addresses": "127.0.0.1",
        "password_encryption": "scram-sha-256",
    }
    with pytest.raises(psycopg2.OperationalError, match="password"):
        connect_postgres({**variables, "POSTGRES_PASSWORD": "wrong"})


def test_every_server_listens_on_loopback_only(variables: dict[str, str]) -> None:
    ports = {
        int(variables[name].rpartition(":")[2])
        for name in NAMES
        if name.endswith(("_HOST", "_PORT", "_ENDPOINT")) and name != "POSTGRES_HOST"
    }
    listening = {
        (socket.laddr.ip.removeprefix("::ffff:"), socket.laddr.port)
        for found in psutil.process_iter()
        for socket in sockets_of(found)
        if socket.laddr.port in ports
    }
    assert listening == {("127.0.0.1", port) for port in ports}


def test_no_secret_stands_on_a_command_line_or_in_a_log(stack_folder: Path) -> None:
    password = stack.variables(stack_folder)["POSTGRES_PASSWORD"]
    assert password not in "\n".join(servers_of(stack_folder))
    for log in (stack_folder / "logs").iterdir():
        assert password not in log.read_text("utf-8", "replace")


def test_a_stack_that_never_had_a_postgres_leaves_its_variables_out(new_folder: Path) -> None:
    without = stack.start(new_folder, with_postgres=False)
    assert set(without.variables) == {name for name in NAMES if not name.startswith("POSTGRES")}


def test_a_start_without_postgres_forgets_nothing_of_the_one_there_is(own_folder: Path) -> None:
    with_all = stack.start(own_folder)
    assert stack.start(own_folder, with_postgres=False).variables == with_all.variables
    assert stack.start(own_folder).variables == with_all.variables


def test_stopping_leaves_no_process_and_starting_finds_the_data(own_folder: Path) -> None:
    variables = stack.start(own_folder).variables
    with connect_postgres(variables) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 1 AS id")
    connection.close()
    connect_bigquery(variables).create_dataset("kept", exists_ok=True)
    lake = connect_storage(variables)
    bucket = lake.bucket("kept") if lake.bucket("kept").exists() else lake.create_bucket("kept")
    bucket.blob("a/b").upload_from_string("kept")

    stack.stop(own_folder)
    assert servers_of(own_folder) == []
    assert set(stack.health(own_folder).values()) == {"stopped"}

    assert stack.start(own_folder).variables == variables
    with connect_postgres(variables) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM kept")
        assert cursor.fetchall() == [(1,)]
    connection.close()
    assert connect_bigquery(variables).get_dataset("kept").dataset_id == "kept"
    assert connect_storage(variables).bucket("kept").blob("a/b").download_as_bytes() == b"kept"


def test_servers_outlive_their_starter_and_hold_no_pipe_of_it(own_folder: Path) -> None:
    stack.stop(own_folder)
    # Returns when nobody holds the pipes any more, so it would time out on a leak.
    subprocess.run(start_command(own_folder), check=True, capture_output=True, timeout=60)
    assert stack.is_running(own_folder)


def test_the_servers_of_a_running_stack_are_seen(stack_folder: Path) -> None:
    assert {
        word: any(word in line for line in servers_of(stack_folder))
        for word in ("postgres -D", "fake-gcs-server", "bigquery.server")
    } == dict.fromkeys(("postgres -D", "fake-gcs-server", "bigquery.server"), True)


def test_resetting_deletes_everything_also_outside_the_folder(new_folder: Path) -> None:
    folder = new_folder
    stack.start(folder)
    home = folder / known(known(Record.load(folder)).postgres_home)
    assert (home / "data" / "PG_VERSION").exists()
    running = servers_of(folder)
    stack.reset(folder)
    assert not set(running) & {" ".join(one.info["cmdline"] or []) for one in processes()}
    assert not home.exists()
    assert [path.name for path in folder.iterdir()] == ["stack.lock"]
    assert stack.health(folder) == {}


def test_a_folder_without_a_stack_is_told_apart(tmp_path: Path) -> None:
    assert not stack.is_running(tmp_path)
    with pytest.raises(StackError, match="There is no stack"):
        stack.variables(tmp_path)
    stack.stop(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_server_that_cannot_start_is_named_with_the_end_of_its_log(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "import sys; print('first line'); sys.exit('the cause')"
    command = property(lambda _: [sys.executable, "-c", broken])
    monkeypatch.setattr(GcsServer, "command", command)
    with pytest.raises(StackError, match=r"(?s)fake-gcs-server.*logs/gcs.log.*the cause"):
        stack.start(new_folder, with_postgres=False)


def test_a_large_log_is_set_aside_and_three_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOG_BYTES", 3)
    log = tmp_path / "x.log"
    for number in range(6):
        process.rotate(log)
        log.write_text(f"{number} large")
    assert {path.name: path.read_text()[0] for path in tmp_path.iterdir()} == {
        "x.log": "5",
        "x.log.1": "4",
        "x.log.2": "3",
        "x.log.3": "2",
    }
