"""Repairs of the emulator's Storage Read API: messages of bounded size, sessions that end."""

import pyarrow as pa
from bqemulator.grpc_api import read_servicer
from bqemulator.streaming import read_session
from bqemulator.streaming.read_session import ReadSessionState

from credix_local.bigquery.patching import replace

# The server refuses to send more than 11 MiB in one message; Google's are about a MiB.
MESSAGE_BYTES = 1 << 20
# A session holds its table in memory.
SESSIONS = 4


def apply() -> None:
    """Make all repairs of this module."""
    bound_messages()
    forget_sessions()


def bound_messages() -> None:
    """A batch of 65,536 rows is too large for a message where a table is wide."""

    def get_stream_data(session_name: str, stream_name: str) -> pa.Table | None:
        table = original(session_name, stream_name)
        return table if table is None else in_small_chunks(table)

    original = replace(read_servicer, "get_stream_data", get_stream_data)


def in_small_chunks(table: pa.Table) -> pa.Table:
    """Return the same rows in chunks that fit a message each."""
    bytes_per_row = max(1, table.nbytes // max(1, table.num_rows))
    rows = max(1, MESSAGE_BYTES // bytes_per_row)
    return pa.Table.from_batches(table.to_batches(max_chunksize=rows), table.schema)


class RecentSessions(dict[str, ReadSessionState]):
    """The newest sessions: the emulator would keep the table of each one for ever."""

    def __setitem__(self, name: str, state: ReadSessionState) -> None:
        super().__setitem__(name, state)
        while len(self) > SESSIONS:
            del self[next(iter(self))]


def forget_sessions() -> None:
    replace(read_session, "_SESSIONS", RecentSessions())
