"""Every call to Google against a server that fails: repeated, bounded, told in one sentence.

The real local servers answer behind it, so that what a call does is seen, not only that it ends.
"""

import inspect
import io
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credix.clients.bigquery.table_reader import TableReader
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.gcs.objects import download, open_dataset
from credix.clients.gcs.stored import StoredObject
from credix.core.column_types import Column
from credix.core.errors import CredixError, TransientError
from credix.core.settings import Settings
from credix.state.incidents import Incident, Incidents
from credix.state.store import StateStore
from tests.faults import FAULTS, REFUSALS, SLOW, FaultyServer, faulty_server
from tests.faults_grpc import FaultyChannel, faulty_channel
from tests.known import known

COLUMNS = [Column("id", "STRING"), Column("amount", "INTEGER")]
ROWS = [{"id": "a", "amount": 1}]
BYTES, CRC32C = b"some bytes", "9s1VQw=="
OPENED = Incidents(open={"x": Incident(text="late", since="2026-01-01", run_id="r")})
COLUMNS_OF_ROWS: dict[str, pa.DataType] = {"id": pa.string(), "amount": pa.int64()}
SCHEMA = pa.schema(COLUMNS_OF_ROWS)
PARALLEL = 8


class Corner:
    """The clients of one call, and a name that nobody else uses."""

    def __init__(self, settings: Settings, name: str, folder: Path) -> None:
        self.settings, self.name, self.folder = settings, name, folder
        self.effects = Effects(settings.retry_seconds)
        self.bucket, self.path = settings.lake_bucket, f"{settings.prefix}/faults/{name}/x"

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.settings, self.effects)

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings, self.effects)

    @cached_property
    def state(self) -> StateStore:
        apart = self.settings.with_prefix(f"{self.settings.prefix}_{self.name}")
        return StateStore(apart, self.lake)

    @cached_property
    def apart(self) -> Warehouse:
        """Datasets of its own."""
        apart = self.settings.with_prefix(f"{self.settings.prefix}_{self.name}")
        return Warehouse(apart, self.effects)

    def put(self, content: bytes = BYTES) -> StoredObject:
        """An object of this name, as it is listed."""
        self.lake.upload("lake.upload", self.bucket, self.path, content)
        (blob,) = self.lake.objects(self.bucket, self.path)
        return blob

    def read(self, bucket: str | None = None) -> bytes:
        return self.lake.read_bytes(bucket or self.bucket, self.path)

    def names(self) -> list[str]:
        return [blob.name for blob in self.lake.objects(self.bucket, self.path)]

    def fill(self) -> None:
        """A table of this name with a row."""
        self.warehouse.create_table("temp", self.name, COLUMNS)
        self.insert("a", 1)

    def insert(self, key: str, amount: int) -> None:
        target = self.warehouse.table_id("temp", self.name)
        sql = f"INSERT INTO `{target}` (id, amount) VALUES ('{key}', {amount})"
        self.warehouse.execute("bronze.test", target, sql)

    def rows(self) -> list[dict[str, Any]]:
        table = self.warehouse.table_id("temp", self.name)
        return self.warehouse.query(f"SELECT id, amount FROM `{table}` ORDER BY id")

    def columns(self) -> list[str]:
        return [column.name for column in self.warehouse.columns("temp", self.name) or []]


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS, SCHEMA), sink)
    return sink.getvalue()


@dataclass(frozen=True)
class Call:
    """A call, what it answers, and what can be seen behind it.

    `given` is made for every call, `before` where the server is reached.
    """

    name: str
    act: Callable[[Corner, Any], Any]
    answer: Any
    given: Callable[[Corner], Any] = lambda _: None
    before: Callable[[Corner], Any] = lambda _: None
    after: Callable[[Corner], Any] = lambda _: None
    seen: Any = None

    @property
    def service(self) -> str:
        kind = self.name.partition(".")[0]
        return {"Warehouse": "bigquery", "TableReader": "grpc"}.get(kind, "storage")


def moved(corner: Corner) -> tuple[list[str], bytes]:
    return corner.names(), corner.read(corner.settings.archive_bucket)


def downloaded(corner: Corner, stored: StoredObject) -> bytes | None:
    target = corner.folder / corner.name
    return target.read_bytes() if download(corner.lake, stored, target) else None


def scanned(corner: Corner, stored: StoredObject) -> list[dict[str, Any]]:
    return open_dataset(corner.lake, [stored], SCHEMA).to_table().to_pylist()


def loaded(corner: Corner, _: Any) -> int:
    uri = f"gs://{corner.bucket}/{corner.path}"
    return corner.warehouse.load_parquet(
        "warehouse.load_test", [uri], "temp", corner.name, COLUMNS, f"job_{corner.name}"
    )


def read_quickly(corner: Corner, _: Any) -> list[dict[str, Any]]:
    reader = TableReader(corner.settings, corner.effects)
    return reader.read("temp", corner.name, ["id", "amount"], "", 10).to_pylist()


def hold(state: Any) -> Any:
    return state.model_copy(update={"attempt": state.attempt + 1})


CALLS = [
    Call(
        "Lake.read_text",
        lambda c, _: known(c.lake.read_text(c.bucket, c.path))[0],
        "some bytes",
        before=Corner.put,
    ),
    Call("Lake.read_bytes", lambda c, _: c.read(), BYTES, before=Corner.put),
    Call(
        "Lake.write_if_unchanged",
        lambda c, _: c.lake.write_if_unchanged("state.test", c.bucket, c.path, "some bytes", 0),
        True,
        after=Corner.read,
        seen=BYTES,
    ),
    Call(
        "Lake.upload",
        lambda c, _: c.lake.upload("lake.upload", c.bucket, c.path, BYTES, crc32c=CRC32C),
        None,
        after=Corner.read,
        seen=BYTES,
    ),
    Call(
        "Lake.replace",
        lambda c, _: c.lake.replace("page.put", c.bucket, c.path, BYTES, "text/html", "no-store"),
        None,
        after=Corner.read,
        seen=BYTES,
    ),
    Call(
        "Lake.holds", lambda c, _: c.lake.holds(c.bucket, c.path, CRC32C), True, before=Corner.put
    ),
    Call("Lake.objects", lambda c, _: len(c.names()), 1, before=Corner.put),
    Call(
        "Lake.folders",
        lambda c, _: c.name in str(c.lake.folders(c.bucket, f"{c.settings.prefix}/faults/")),
        True,
        before=Corner.put,
    ),
    Call(
        "Lake.move",
        lambda c, blob: c.lake.move("lake.archive", blob, c.settings.archive_bucket, blob.name),
        None,
        given=Corner.put,
        after=moved,
        seen=([], BYTES),
    ),
    Call(
        "Lake.delete",
        lambda c, _: c.lake.delete("lake.delete", c.bucket, c.path),
        None,
        before=Corner.put,
        after=Corner.names,
        seen=[],
    ),
    Call(
        "Lake.create_bucket",
        lambda c, _: c.lake.create_bucket(f"made-{c.name}"),
        None,
        after=lambda c: c.lake.objects(f"made-{c.name}", ""),
        seen=[],
    ),
    Call("Lake.require_bucket", lambda c, _: c.lake.require_bucket(c.bucket), None),
    Call("download", downloaded, BYTES, given=Corner.put),
    Call("open_dataset", scanned, ROWS, given=lambda c: c.put(parquet())),
    Call("StateStore.read_source", lambda c, _: c.state.read_source("cnpj_ws").attempt, 0),
    Call("StateStore.read_gold", lambda c, _: c.state.read_gold().attempt, 0),
    Call(
        "StateStore.change_source",
        lambda c, _: c.state.change_source("state.test", "cnpj_ws", hold).attempt,
        1,
        after=lambda c: c.state.read_source("cnpj_ws").attempt,
        seen=1,
    ),
    Call(
        "StateStore.change_gold",
        lambda c, _: c.state.change_gold("state.test", hold).attempt,
        1,
        after=lambda c: c.state.read_gold().attempt,
        seen=1,
    ),
    Call(
        "StateStore.change_incidents",
        lambda c, _: c.state.change_incidents("state.test", lambda _: OPENED),
        OPENED,
    ),
    Call(
        "Warehouse.create_dataset",
        lambda c, _: c.apart.create_dataset("temp"),
        None,
        after=lambda c: c.apart.tables("temp", ""),
        seen=[],
    ),
    Call("Warehouse.require_dataset", lambda c, _: c.warehouse.require_dataset("temp"), None),
    Call(
        "Warehouse.create_table",
        lambda c, _: c.warehouse.create_table("temp", c.name, COLUMNS),
        None,
        after=Corner.columns,
        seen=["id", "amount"],
    ),
    Call(
        "Warehouse.add_columns",
        lambda c, _: c.warehouse.add_columns("temp", c.name, [Column("extra", "STRING")]),
        None,
        before=lambda c: c.warehouse.create_table("temp", c.name, COLUMNS),
        after=Corner.columns,
        seen=["id", "amount", "extra"],
    ),
    Call(
        "Warehouse.execute",
        lambda c, _: c.insert("b", 2),
        None,
        before=Corner.fill,
        after=Corner.rows,
        seen=[*ROWS, {"id": "b", "amount": 2}],
    ),
    Call(
        "Warehouse.columns",
        lambda c, _: c.columns(),
        ["id", "amount"],
        before=lambda c: c.warehouse.create_table("temp", c.name, COLUMNS),
    ),
    Call(
        "Warehouse.tables",
        lambda c, _: c.warehouse.tables("temp", c.name) == [c.name],
        True,
        before=lambda c: c.warehouse.create_table("temp", c.name, COLUMNS),
    ),
    Call(
        "Warehouse.tables_created",
        lambda c, _: list(c.warehouse.tables_created("temp", c.name)) == [c.name],
        True,
        before=lambda c: c.warehouse.create_table("temp", c.name, COLUMNS),
    ),
    Call(
        "Warehouse.load_parquet",
        loaded,
        1,
        before=lambda c: c.put(parquet()),
        after=Corner.rows,
        seen=ROWS,
    ),
    Call(
        "Warehouse.expire",
        lambda c, _: c.warehouse.expire("temp", c.name, 24),
        None,
        before=lambda c: c.warehouse.create_table("temp", c.name, COLUMNS),
        after=Corner.columns,
        seen=["id", "amount"],
    ),
    Call(
        "Warehouse.drop",
        lambda c, _: c.warehouse.drop("temp", c.name),
        None,
        before=lambda c: c.warehouse.create_table("temp", c.name, COLUMNS),
        after=Corner.columns,
        seen=[],
    ),
    Call("Warehouse.query", lambda c, _: c.warehouse.query("SELECT 1 AS x"), [{"x": 1}]),
    Call(
        "Warehouse.query_arrow",
        lambda c, _: c.warehouse.query_arrow("SELECT 1 AS x").to_pylist(),
        [{"x": 1}],
    ),
    Call("TableReader.read", read_quickly, ROWS, before=Corner.fill),
]
ASK_NOBODY = {"Lake.blob", "StateStore.path", "Warehouse.table_id"}
Between = FaultyServer | FaultyChannel


@pytest.fixture
def calm(warehouse: Warehouse, tmp_path: Path) -> Callable[[], Corner]:
    """A corner on the servers themselves."""
    return lambda: Corner(warehouse.settings, f"c{uuid4().hex[:12]}", tmp_path)


def bounded(settings: Settings, timeout: float, retries: float) -> Settings:
    more = {"google_timeout_seconds": timeout, "retry_seconds": retries}
    return settings.model_copy(update=more)


@contextmanager
def between(call: Call, corner: Corner, bounds: tuple[float, float]) -> Iterator[Any]:
    """The server in between, and a corner that reaches its service through it."""
    settings = bounded(corner.settings, *bounds)
    field = {"storage": "storage_endpoint", "bigquery": "bigquery_endpoint"}.get(
        call.service, "bigquery_grpc_endpoint"
    )
    target = getattr(settings, field) or ""
    start: Any = faulty_channel if call.service == "grpc" else faulty_server
    with start(target) as server:
        led = settings.model_copy(update={field: server.address})
        yield server, Corner(led, corner.name, corner.folder)


def each_call(judge: Callable[[Call], str | None]) -> list[str]:
    """What is wrong, of all calls; they run side by side, for most of it is waiting."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        judged = {call.name: pool.submit(judge, call) for call in CALLS}
    wrong = {
        name: "".join(traceback.format_exception(error, limit=-6)) if error else done.result()
        for name, done in judged.items()
        for error in [done.exception()]
    }
    return [f"{name}: {told}" for name, told in wrong.items() if told]


def tell(found: object, expected: object) -> str | None:
    return None if found == expected else f"{found!r} instead of {expected!r}"


def test_every_call_to_google_is_among_them() -> None:
    clients = (Lake, Warehouse, StateStore, TableReader)
    methods = {
        f"{client.__name__}.{name}"
        for client in clients
        for name, _ in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - ASK_NOBODY | {"download", "open_dataset"} == {call.name for call in CALLS}


@pytest.mark.parametrize("fault", [*FAULTS, SLOW])
def test_a_fault_that_passes_is_not_felt(calm: Callable[[], Corner], fault: str) -> None:
    def judge(call: Call) -> str | None:
        corner = calm()
        given = call.given(corner)
        call.before(corner)
        with between(call, corner, (1 if fault == SLOW else 20, 40)) as (server, led):
            server.plan = lambda number: fault if number == 1 else None
            found = call.act(led, given)
        return tell((found, call.after(corner)), (call.answer, call.seen))

    assert each_call(judge) == []


@pytest.mark.parametrize("fault", [*FAULTS, SLOW])
def test_a_fault_that_stays_is_one_sentence_within_the_bound(
    calm: Callable[[], Corner], fault: str
) -> None:
    timeout, not_again = 0.3, "was not tried again"

    def judge(call: Call) -> str | None:
        """Where the machine is busy, the first try alone may take longer than a short bound."""
        told = judge_within(call, 0.5)
        return judge_within(call, 4) if told == not_again else told

    def judge_within(call: Call, retries: float) -> str | None:
        corner = calm()
        given = call.given(corner)
        with between(call, corner, (timeout, retries)) as (server, led):
            server.plan = lambda _: fault
            started = time.monotonic()
            try:
                return f"answers {call.act(led, given)!r}"
            except TransientError as error:
                told, seconds = str(error), time.monotonic() - started
        if "\n" in told or "does not answer" not in told:
            return f"says {told!r}"
        if len(server.requests) < 2 and fault != SLOW:
            return not_again
        return None if seconds < retries + 4.5 else f"took {seconds:.1f} s"

    assert each_call(judge) == []


def test_a_call_whose_answer_is_lost_has_its_effect_once(calm: Callable[[], Corner]) -> None:
    """The connection breaks behind the first, second, third … request of each call."""

    def judge(call: Call) -> str | None:
        number = 0
        while True:
            number += 1
            corner = calm()
            given = call.given(corner)
            call.before(corner)
            with between(call, corner, (20, 40)) as (server, led):
                server.is_answer_lost = True
                server.plan = lambda count, lost=number: (
                    "connection reset" if count == lost else None
                )
                found = call.act(led, given)
            wrong = tell((found, call.after(corner)), (call.answer, call.seen))
            if wrong or len(server.requests) < number:
                return wrong and f"request {number}: {wrong}"

    assert each_call(judge) == []


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_told_at_once_in_one_sentence(
    calm: Callable[[], Corner], refusal: str
) -> None:
    """Or is an answer: a table that is not found has no columns."""

    def judge(call: Call) -> str | None:
        corner = calm()
        given = call.given(corner)
        with between(call, corner, (20, 40)) as (server, led):
            server.plan = lambda _: refusal
            try:
                call.act(led, given)
            except TransientError as error:
                return f"takes it for a fault that passes: {error}"
            except CredixError as error:
                return f"says {error}" if "\n" in str(error) else None
        return None

    assert each_call(judge) == []


@pytest.mark.parametrize("fault", [SLOW, "garbage", "503", "429"])
def test_a_stream_of_rows_that_does_not_go_on_is_given_up_and_begun_anew(
    calm: Callable[[], Corner], fault: str
) -> None:
    """The library would wait a day for it."""
    call, corner = CALLS[-1], calm()
    call.before(corner)
    for times, bounds in ((1, (1, 40)), (1000, (0.3, 0.5))):
        left = iter(range(times))
        with between(call, corner, bounds) as (server, led):
            server.plan = lambda number, server=server, left=left: (
                fault
                if server.requests[number - 1].endswith("ReadRows") and next(left, None) is not None
                else None
            )
            if times == 1:
                assert call.act(led, None) == ROWS
                continue
            started = time.monotonic()
            with pytest.raises(TransientError, match="does not answer"):
                call.act(led, None)
            assert time.monotonic() - started < 5
