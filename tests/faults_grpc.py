"""The same for BigQuery's Storage API, which speaks gRPC."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import grpc

from tests.faults import HTML, SLOW

CODES = {
    "429": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "403 for too many requests": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "500": grpc.StatusCode.INTERNAL,
    "503": grpc.StatusCode.UNAVAILABLE,
    "half of an answer": grpc.StatusCode.DATA_LOSS,
    # What a client makes of a connection that breaks.
    "connection reset": grpc.StatusCode.UNAVAILABLE,
    "400": grpc.StatusCode.INVALID_ARGUMENT,
    "401": grpc.StatusCode.UNAUTHENTICATED,
    "403": grpc.StatusCode.PERMISSION_DENIED,
    "404": grpc.StatusCode.NOT_FOUND,
    "409": grpc.StatusCode.ABORTED,
    "412": grpc.StatusCode.FAILED_PRECONDITION,
}


class FaultyChannel(grpc.GenericRpcHandler):
    """Passes calls on as bytes; `plan` says by their number which get a fault."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.insecure_channel(target)
        self.plan: Callable[[int], str | None] = lambda _: None
        self.is_answer_lost = False
        self.requests: list[str] = []
        self.ended = Event()
        self.address = ""

    def service(self, call: Any) -> grpc.RpcMethodHandler:
        def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            self.requests.append(call.method)
            fault = self.plan(len(self.requests))
            if fault is None or self.is_answer_lost:
                forward = self.channel.unary_stream(call.method)
                answers = list(forward(request, metadata=routing(call), timeout=30))
            if fault == SLOW:
                self.ended.wait(30)
            elif fault == "garbage":
                yield HTML
            elif fault:
                context.abort(CODES[fault], "A fault.")
            else:
                yield from answers

        found: grpc.RpcMethodHandler = grpc.unary_stream_rpc_method_handler(stream)
        return found


def routing(call: Any) -> list[tuple[str, str]]:
    return [(k, v) for k, v in call.invocation_metadata if k.startswith("x-goog")]


@contextmanager
def faulty_channel(target: str) -> Iterator[FaultyChannel]:
    made = FaultyChannel(target)
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((made,))
    made.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield made
    finally:
        made.ended.set()
        server.stop(0)
        made.channel.close()
