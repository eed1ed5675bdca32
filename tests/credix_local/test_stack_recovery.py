"""Whatever dies, moves or stands in the way: the next start gets the stack up, with its data."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest
from filelock import FileLock

from credix.core.errors import StackError
from credix_local import process, stack
from credix_local.daemon import Server
from credix_local.postgres import PostgresServer
from credix_local.record import Record
from tests.credix_local.servers import connect_bigquery, connect_postgres, servers_of, start_command
from tests.known import known


def server(folder: Path, word: str) -> Server:
    servers = stack.build_servers(folder, known(Record.load(folder)))
    return next(one for one in servers if word in one.name)


def kill(folder: Path, word: str) -> psutil.Process:
    found = known(server(folder, word).find())
    found.kill()
    process.wait_until(lambda: process.has_ended(found), 5)
    result: psutil.Process = found
    return result


@pytest.mark.parametrize("word", ["PostgreSQL", "Storage", "BigQuery"])
def test_a_killed_server_comes_back_and_the_others_stay(own_folder: Path, word: str) -> None:
    before = stack.start(own_folder).variables
    kill(own_folder, word)
    again = stack.start(own_folder)
    assert [word in name for name in again.started] == [True]
    assert again.variables == before
    assert stack.is_running(own_folder)


def test_everything_killed_at_once_comes_back_with_what_was_committed(own_folder: Path) -> None:
    variables = stack.start(own_folder).variables
    connection = connect_postgres(variables)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS survivor; CREATE TABLE survivor AS SELECT 7 AS id")
    client = connect_bigquery(variables)
    client.create_dataset("survivor", exists_ok=True)
    client.query("CREATE OR REPLACE TABLE `survivor.t` AS SELECT 7 AS id").result()
    for word in ("PostgreSQL", "Storage", "BigQuery"):
        kill(own_folder, word)
    connection.close()
    assert stack.start(own_folder).variables == variables
    with connect_postgres(variables) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM survivor")
        assert cursor.fetchall() == [(7,)]
    connection.close()
    rows = connect_bigquery(variables).query("SELECT id FROM `survivor.t`").result()
    assert [row.id for row in rows] == [7]


def test_a_starter_killed_in_the_middle_leaves_nothing_in_the_way(new_folder: Path) -> None:
    folder = new_folder
    for moment in ("stack.json", "logs/postgres.log"):
        starter = subprocess.Popen(start_command(folder))
        process.wait_until((folder / moment).exists, 20, pause=0.001)
        starter.kill()
        starter.wait()
    stack.start(folder)
    assert stack.is_running(folder)
    assert len([one for one in servers_of(folder) if "bigquery.server" in one]) == 1


def test_two_starters_at_once_end_with_one_stack(own_folder: Path) -> None:
    stack.stop(own_folder)
    starters = [subprocess.Popen(start_command(own_folder)) for _ in range(2)]
    assert [starter.wait(timeout=60) for starter in starters] == [0, 0]
    assert stack.is_running(own_folder)
    assert len([one for one in servers_of(own_folder) if "bigquery.server" in one]) == 1


def test_a_lost_pid_file_does_not_lose_its_server(own_folder: Path) -> None:
    stack.start(own_folder)
    for path in (own_folder / "run").iterdir():
        path.unlink()
    assert stack.start(own_folder).started == ()


def test_a_stale_pid_file_that_names_another_process_spares_it(own_folder: Path) -> None:
    stack.start(own_folder)
    stack.stop(own_folder)
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (own_folder / "run").mkdir(exist_ok=True)
        for name in ("gcs", "bigquery"):
            record = own_folder / "run" / f"{name}.json"
            record.write_text(f'{{"pid": {bystander.pid}, "started": 1.0}}')
        postgres = server(own_folder, "PostgreSQL")
        assert isinstance(postgres, PostgresServer)
        data = postgres.data
        lock = [str(bystander.pid), str(data), "1", "5432", "", "127.0.0.1", "1 1", "ready", ""]
        (data / "postmaster.pid").write_text("\n".join(lock))
        shutil.chown(data / "postmaster.pid", data.owner(), data.group())
        assert set(stack.health(own_folder).values()) == {"stopped"}
        stack.stop(own_folder)
        assert len(stack.start(own_folder).started) == 3
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_taken_by_another_process_is_replaced_and_said(own_folder: Path) -> None:
    old = stack.start(own_folder).variables
    stack.stop(own_folder)
    ports = known(Record.load(own_folder)).ports
    strangers = [socket.create_server(("127.0.0.1", port)) for port in ports.values()]
    try:
        assert not stack.is_running(own_folder)
        assert stack.taken_ports(own_folder) == ports
        again = stack.start(own_folder)
        assert len(again.messages) == 4
        assert f"Port {ports['gcs']} is taken by another process" in "".join(again.messages)
        assert stack.variables(own_folder) == again.variables
        assert again.variables["POSTGRES_PORT"] != old["POSTGRES_PORT"]
        assert stack.is_running(own_folder)
    finally:
        for stranger in strangers:
            stranger.close()


@pytest.mark.parametrize("port", ["postgres", "gcs", "bigquery", "bigquery_grpc"])
def test_a_port_taken_for_a_moment_while_a_server_starts_is_tried_again(
    own_folder: Path, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stack.start(own_folder).variables
    servers = stack.build_servers(own_folder, known(Record.load(own_folder)))
    stopped = next(one for one in servers if port in one.port_names)
    stopped.stop()
    start = type(stopped).start

    def start_on_a_taken_port(self: Server) -> None:
        monkeypatch.setattr(type(stopped), "start", start)
        with socket.create_server(("127.0.0.1", self.ports[port])):
            start(self)

    monkeypatch.setattr(type(stopped), "start", start_on_a_taken_port)
    again = stack.start(own_folder)
    assert again.started == (stopped.name,)
    assert (again.variables, again.messages) == (before, ())


def test_a_busy_server_is_waited_for_and_not_restarted(own_folder: Path) -> None:
    stack.start(own_folder)
    found = known(server(own_folder, "BigQuery").find())
    found.suspend()
    try:
        assert stack.health(own_folder)["BigQuery (bqemulator)"] == "not answering"
        starter = subprocess.Popen(start_command(own_folder))
        # Its question has timed out once when this much time has passed.
        with pytest.raises(subprocess.TimeoutExpired):
            starter.wait(timeout=2.5)
    finally:
        found.resume()
    assert starter.wait(timeout=60) == 0
    assert known(server(own_folder, "BigQuery").find()).pid == found.pid


def test_a_moved_folder_works_at_its_new_place(new_folder: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", new_folder
    before = stack.start(old).variables
    client = connect_bigquery(before)
    client.create_dataset("kept")
    client.query("CREATE TABLE `kept.t` AS SELECT 7 AS id").result()
    old.rename(new)
    moved = stack.start(new)
    assert moved.variables["POSTGRES_PASSWORD"] == before["POSTGRES_PASSWORD"]
    assert "moved here from" in moved.messages[0]
    rows = connect_bigquery(moved.variables).query("SELECT id FROM `kept.t`").result()
    assert [row.id for row in rows] == [7]
    assert stack.is_running(new)
    assert servers_of(old) == []


def test_a_copied_folder_leaves_the_original_alone(own_folder: Path, new_folder: Path) -> None:
    stack.start(own_folder)
    stack.stop(own_folder)
    original = stack.start(own_folder)
    shutil.copytree(own_folder, new_folder, ignore=shutil.ignore_patterns("postgres", "bigquery"))
    copied = stack.start(new_folder)
    ports = {name: copied.variables[name] for name in ("POSTGRES_PORT", "BIGQUERY_EMULATOR_HOST")}
    assert not ports.items() & original.variables.items()
    stack.reset(new_folder)
    assert stack.is_running(own_folder)


def test_a_damaged_record_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(StackError, match=r"stack.json cannot be read.*reset the stack"):
        stack.start(tmp_path)


def test_a_waiting_starter_gives_up_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "LOCK_SECONDS", 0.1)
    with FileLock(tmp_path / "stack.lock"), pytest.raises(StackError, match="Another process has"):
        stack.start(tmp_path)


def test_a_process_is_told_by_its_start_when_its_pid_is_reused() -> None:
    me = psutil.Process(os.getpid())
    assert process.living(me.pid, me.create_time()) == me
    assert process.living(me.pid, me.create_time() - 60) is None


def test_a_process_that_ignores_a_signal_is_killed() -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", stubborn], stdin=PIPE, stdout=PIPE)
    known(child.stdout).readline()
    started = time.monotonic()
    process.terminate(psutil.Process(child.pid), [(signal.SIGTERM, 0.2), (signal.SIGKILL, 5)])
    assert child.wait(timeout=5) == -signal.SIGKILL
    assert time.monotonic() - started < 5
    known(child.stdin).close()
    known(child.stdout).close()
