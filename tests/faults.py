"""A server between a client and a real one, which answers chosen requests with a fault."""

import contextlib
import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import urlsplit

Handler = BaseHTTPRequestHandler
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
HTML = b"<html><body>Please sign in to this network.</body></html>"


def answer(handler: Handler, status: int, kind: str, body: bytes, length: int = -1) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) if length < 0 else length))
    handler.end_headers()
    handler.wfile.write(body)


def refuse(status: int, reason: str) -> Callable[[Handler], None]:
    """An error as Google's services tell it."""
    told = {"code": status, "message": "A fault.", "errors": [{"reason": reason}]}
    body = json.dumps({"error": told}).encode()
    return lambda handler: answer(handler, status, "application/json", body)


def reset(handler: Handler) -> None:
    """Break the connection, so that the other side is told at once."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def cut(handler: Handler) -> None:
    answer(handler, 200, "application/json", b'{"kind": "', length=1000)
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


FAULTS: dict[str, Callable[[Handler], None]] = {
    "429": refuse(429, "rateLimitExceeded"),
    "403 for too many requests": refuse(403, "rateLimitExceeded"),
    "500": refuse(500, "backendError"),
    "503": refuse(503, "backendError"),
    "garbage": lambda handler: answer(handler, 200, "text/html", HTML),
    "half of an answer": cut,
    "connection reset": reset,
}
SLOW = "slow"
REFUSALS: dict[str, Callable[[Handler], None]] = {
    "400": refuse(400, "invalid"),
    "401": refuse(401, "authError"),
    "403": refuse(403, "accessDenied"),
    "404": refuse(404, "notFound"),
    "409": refuse(409, "duplicate"),
    "412": refuse(412, "conditionNotMet"),
}


class FaultyServer:
    """Passes requests on to `target`; `plan` says by their number which get a fault.

    A fault stands in the place of the answer: before the request is passed on, or, with
    `is_answer_lost`, behind.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.plan: Callable[[int], str | None] = lambda _: None
        self.is_answer_lost = False
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.ended, self._lock = Event(), Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _handler(self) -> type[Handler]:
        faulty = self

        class Between(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with faulty._lock:
                    faulty.requests.append(f"{self.command} {self.path}")
                    faulty.tokens.append(self.headers.get("Authorization"))
                    number = len(faulty.requests)
                fault = faulty.plan(number)
                if fault is None or faulty.is_answer_lost:
                    answered = faulty.ask(self.command, self.path, dict(self.headers), body)
                if fault == SLOW:
                    faulty.ended.wait(30)
                    self.close_connection = True
                elif fault:
                    with contextlib.suppress(OSError):
                        (FAULTS | REFUSALS)[fault](self)
                else:
                    status, headers, content = answered
                    self.send_response(status)
                    for name, value in headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(content)

            def log_message(self, *_: Any) -> None: ...

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
            setattr(Between, f"do_{method}", Between.handle_any)
        return Between

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """The real server's answer, whose addresses lead here again."""
        connection = http.client.HTTPConnection(self.target.netloc, timeout=30)
        sent = {name: value for name, value in headers.items() if name.lower() not in HOP}
        connection.request(method, path, body, {**sent, "Content-Length": str(len(body))})
        told = connection.getresponse()
        content = told.read()
        connection.close()
        here, there = f"127.0.0.1:{self.server.server_port}", self.target.netloc
        if (told.getheader("Content-Type") or "").startswith("application/json"):
            content = content.replace(there.encode(), here.encode())
        kept = [
            (name, value.replace(there, here))
            for name, value in told.getheaders()
            if name.lower() not in HOP
        ]
        return told.status, kept, content


@contextmanager
def faulty_server(target: str) -> Iterator[FaultyServer]:
    made = FaultyServer(target)
    Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield made
    finally:
        made.ended.set()
        made.server.shutdown()
        made.server.server_close()
