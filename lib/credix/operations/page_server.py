"""A read-only server of the pages in the buckets, for people who have logged in before.

It asks for no login: on Google, Identity-Aware Proxy does so in front of it and lets in only
those named in Terraform (`terraform/pages.tf`). It serves the objects below the folders it is
started with, as `/<bucket>/<object>`, and nothing else: no listing, no writing, no other bucket.

    python -m credix.operations.page_server --port 8080 \
        my-runs/ my-report/ my-archive/business_case/runs/
"""

import argparse
import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.api_core import exceptions as google
from google.cloud import storage
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

LOG = logging.getLogger(__name__)
SECONDS = 30
CHUNK_BYTES = 1 << 20
NOT_IN_A_NAME = {"", ".", ".."}
# Pages contain their own scripts and data. They may send no request, and no page frames them.
POLICY = (
    "default-src 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Page:
    """An object as it is served."""

    content: bytes
    content_type: str
    generation: str


Read = Callable[[str, str], Page | None]


class PageHandler(RequestHandler):
    """GET and HEAD of one object; everything else is refused."""

    SUPPORTED_METHODS = ("GET", "HEAD")

    def initialize(self, folders: tuple[str, ...], read: Read) -> None:
        self.folders, self.read = folders, read

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    async def get(self, name: str) -> None:
        # A library on the way to the bucket may resolve `..`: such a name leads out of its folder.
        if not name.startswith(self.folders) or NOT_IN_A_NAME & set(name.split("/")):
            raise HTTPError(404)
        bucket, _, path = name.partition("/")
        page = await asyncio.to_thread(self.read, bucket, path)
        if page is None:
            raise HTTPError(404)
        self.set_header("Content-Type", page.content_type)
        self.set_header("Etag", f'"{page.generation}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        # Cloud Run bounds an answer that is sent at once, not one that is sent in parts.
        for begin in range(0, len(page.content), CHUNK_BYTES):
            self.write(page.content[begin : begin + CHUNK_BYTES])
            await self.flush()

    head = get

    def write_error(self, status_code: int, **_: object) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("There is no such page.\n" if status_code == 404 else f"{self._reason}.\n")


def reader(client: storage.Client) -> Read:
    """Reads an object; None where it is not there, or not open to this identity."""

    def read(bucket: str, path: str) -> Page | None:
        blob = client.bucket(bucket).blob(path)
        try:
            content = blob.download_as_bytes(timeout=SECONDS)
        except (google.NotFound, google.Forbidden):
            return None
        except google.GoogleAPICallError as error:
            LOG.warning("gs://%s/%s cannot be read: %s", bucket, path, type(error).__name__)
            raise HTTPError(503) from None
        kind = blob.content_type or "application/octet-stream"
        return Page(content, kind, str(blob.generation))

    return read


def build(folders: Sequence[str], read: Read) -> Application:
    """Return the server of these folders, each written as `bucket/` or `bucket/folder/`.

    Raises ValueError where one does not end with a slash: it would open its neighbours too.
    """
    for folder in folders:
        if not folder.endswith("/") or folder.startswith("/"):
            raise ValueError(f"'{folder}' is no folder: write BUCKET/ or BUCKET/FOLDER/")
    options = {"folders": tuple(folders), "read": read}
    return Application([(r"/(.*)", PageHandler, options)], compress_response=True)


async def serve(folders: Sequence[str], port: int, host: str) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    application = build(folders, reader(storage.Client()))
    sockets = bind_sockets(port, host)
    server = HTTPServer(application)
    server.add_sockets(sockets)
    ended = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    print(f"Serving {', '.join(folders)} on port {sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    server.stop()
    await server.close_all_connections()


def main() -> None:
    parser = argparse.ArgumentParser(prog="credix.operations.page_server", description=__doc__)
    parser.add_argument("folders", nargs="+", metavar="BUCKET/FOLDER/")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        asyncio.run(serve(given.folders, given.port, given.host))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
