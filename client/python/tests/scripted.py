"""An in-process ingest server whose every answer a test decides."""

from __future__ import annotations

import contextlib
import queue
import threading
from concurrent import futures
from typing import Any, Callable, Iterator, List, Optional

import grpc
from firekeeper.v1 import ingest_pb2, ingest_pb2_grpc

CREDIT = 1 << 24

Requests = Iterator[ingest_pb2.StreamRequest]
Script = Callable[["ScriptedServer", Requests, grpc.ServicerContext], Iterator[Any]]


class ScriptedServer(ingest_pb2_grpc.IngestServiceServicer):
    """Plays one script for each stream, the last for all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._server: Optional[grpc.Server] = None
        self.received: queue.Queue[ingest_pb2.StreamRequest] = queue.Queue()
        self.log: List[ingest_pb2.StreamRequest] = []
        self.metadata: List[Any] = []
        self.go = threading.Event()
        self.endpoint = ""

    def Stream(
        self, request_iterator: Requests, context: grpc.ServicerContext
    ) -> Iterator[ingest_pb2.StreamResponse]:
        self.metadata.append(dict(context.invocation_metadata()))
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        yield from script(self, self._noted(request_iterator), context)

    def _noted(self, requests: Requests) -> Requests:
        for request in requests:
            self.log.append(request)
            self.received.put(request)
            yield request

    def receive(self, kind: str) -> Any:
        """The next message of ``kind`` of any stream."""
        while True:
            request = self.received.get(timeout=20)
            if request.HasField(kind):
                return getattr(request, kind)

    @contextlib.contextmanager
    def running(self) -> Iterator["ScriptedServer"]:
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(self, self._server)
        self.endpoint = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        try:
            yield self
        finally:
            self.go.set()
            self._server.stop(None).wait(10)


def opened(**fields: Any) -> ingest_pb2.StreamResponse:
    fields.setdefault("credit_bytes", CREDIT)
    return ingest_pb2.StreamResponse(opened=ingest_pb2.Opened(attempt=1, **fields))


def ack(seq: int) -> ingest_pb2.StreamResponse:
    return ingest_pb2.StreamResponse(ack=ingest_pb2.Ack(accepted_seq=seq, credit_bytes=CREDIT))


def last_of(request: ingest_pb2.StreamRequest) -> int:
    """The last number that a request carries; 0: none."""
    if request.HasField("gap"):
        return int(request.gap.to_seq)
    if request.HasField("batch"):
        return int(request.batch.first_seq) + len(request.batch.snapshots) - 1
    return 0


def well_behaved(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
    """Takes everything."""
    del server, context
    next(requests)
    yield opened()
    for request in requests:
        if request.HasField("close"):
            return
        if last_of(request):
            yield ack(last_of(request))


def silent(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
    """Opens and then says nothing until ``go`` is set."""
    del context
    next(requests)
    yield opened()
    threading.Thread(target=lambda: list(requests), daemon=True).start()
    server.go.wait(60)


def ending(code: grpc.StatusCode, message: str = "no") -> Script:
    """Ends the stream at once."""

    def script(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
        del server
        next(requests)
        context.abort(code, message)
        yield opened()

    return script
