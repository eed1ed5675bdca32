"""Tables of BigQuery as Arrow, through the Storage Read API: for many rows."""

from collections.abc import Iterator, Sequence
from threading import Timer
from typing import Any

import grpc
import pyarrow as pa
from google.api_core import exceptions as google
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.auth.credentials import Credentials
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.services.big_query_read import BigQueryReadClient

from credix.clients.bigquery.errors import translated
from credix.clients.credentials import google_credentials, require_token
from credix.clients.effects import Effects
from credix.core.settings import Settings


class TableReader:
    """Reads tables, not results of queries; a session sees the table as it was when it began."""

    def __init__(self, settings: Settings, effects: Effects) -> None:
        self.settings, self.effects = settings, effects
        with translated("BigQuery's Storage API"):
            self._credentials = google_credentials(settings)
            self._client = open_client(settings, self._credentials)

    def read(
        self, layer: str, table: str, columns: Sequence[str], where: str, limit: int
    ) -> pa.Table:
        """At most `limit` rows of these columns that meet the condition; it is BigQuery's SQL."""
        name = f"{self.settings.dataset(layer)}.{table}"

        def read() -> pa.Table:
            require_token(self.settings, self._credentials)
            session = self._open(self.settings.dataset(layer), table, columns, where)
            try:
                schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
                return pa.Table.from_batches(self._batches(session, schema, limit), schema)
            except pa.ArrowInvalid as error:
                raise google.DataLoss(f"{name}: {error}") from None

        with translated(name):
            return self.effects.read(name, read)

    def _open(
        self, dataset: str, table: str, columns: Sequence[str], where: str
    ) -> types.ReadSession:
        project = f"projects/{self.settings.gcp_project}"
        wanted = types.ReadSession(
            table=f"{project}/datasets/{dataset}/tables/{table}",
            data_format=types.DataFormat.ARROW,
            read_options=types.ReadSession.TableReadOptions(
                selected_fields=list(columns), row_restriction=where
            ),
        )
        try:
            return self._client.create_read_session(
                parent=project,
                read_session=wanted,
                max_stream_count=1,
                retry=None,
                timeout=self.settings.google_timeout_seconds,
            )
        except google.NotFound as error:
            # The local server's answer to a condition that it does not understand, too.
            hint = f", or correct the condition {where}" if where else ""
            raise google.NotFound(f"{error.message.splitlines()[0]}{hint}") from None

    def _batches(
        self, session: types.ReadSession, schema: pa.Schema, limit: int
    ) -> Iterator[pa.RecordBatch]:
        left = limit
        for stream in session.streams:
            for answer in self._answers(stream.name):
                if left <= 0:
                    return
                content = pa.py_buffer(answer.arrow_record_batch.serialized_record_batch)
                batch = pa.ipc.read_record_batch(content, schema)
                yield batch.slice(0, left)
                left -= batch.num_rows

    def _answers(self, stream: str) -> Iterator[types.ReadRowsResponse]:
        """Yield the messages of a stream; raises DeadlineExceeded when one does not come in time.

        The library's own timeout is one of the whole stream, and its retries go on for a day.
        """
        total = float(self.settings.notebook_timeout_seconds)
        # Below the library, which waits for the first message before there is a call to cancel.
        start: Any = self._client.transport.read_rows
        call = start(
            types.ReadRowsRequest(read_stream=stream),
            timeout=total,
            metadata=[to_grpc_metadata((("read_stream", stream),))],
        )
        while True:
            watch = Timer(self.settings.google_timeout_seconds, call.cancel)
            watch.start()
            try:
                answer = next(call, None)
            except grpc.RpcError as error:
                reported = google.from_grpc_error(error)
                if isinstance(reported, google.Cancelled):
                    raise google.DeadlineExceeded(f"{stream} does not go on") from None
                raise reported from None
            finally:
                watch.cancel()
            if answer is None:
                return
            yield answer


def open_client(settings: Settings, credentials: Credentials) -> BigQueryReadClient:
    """Google's endpoint, or the one of the settings, which speaks without TLS."""
    if not settings.bigquery_grpc_endpoint:
        return BigQueryReadClient(credentials=credentials)
    from google.cloud.bigquery_storage_v1.services.big_query_read import transports

    channel = grpc.insecure_channel(settings.bigquery_grpc_endpoint)
    transport = transports.BigQueryReadGrpcTransport(channel=channel)
    return BigQueryReadClient(transport=transport)
