"""gRPC: the channel to a server and one ingest stream on it.

gRPC is imported when a Transport is made, which is on the sender's thread.
"""

from __future__ import annotations

import queue
import threading
from typing import Any, Callable, Iterator, List, Optional, Tuple

from firekeeper import _access
from firekeeper._options import SenderOptions
from firekeeper._retry import Code, StreamEnd

METHOD = "/firekeeper.v1.IngestService/Stream"
# Messages of 1 MiB that are on their way to gRPC: one is sent while the next is made.
DEPTH = 2

_CHANNEL_OPTIONS: List[Tuple[str, int]] = [
    # A peer that vanished without a word is noticed within 40 s. Silence is broken by our own
    # Progress before, so a server at rest is not pinged.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # The time that the attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", 20_000),
    # Connections of one process must not wait for each other's pauses.
    ("grpc.use_local_subchannel_pool", 1),
]
_DETAILS_KEY = "grpc-status-details-bin"
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


class Transport:
    """Opens streams, each on a channel of its own.

    A channel that failed to connect pauses on its own account, and without a call nothing
    drives it: a server that came back would be seen up to five seconds later (gRPC 1.51's
    backup poller). A new channel connects at once, looks the name up again and reads its
    certificates anew.

    Args:
        options: where to and how to be let in.

    Raises:
        ImportError: grpcio or protobuf cannot be imported.
    """

    def __init__(self, options: SenderOptions) -> None:
        import grpc
        from firekeeper.v1 import ingest_pb2

        self._grpc = grpc
        self._parse = ingest_pb2.StreamResponse.FromString
        self._options = options

    def open(
        self, opening: bytes, on_response: Callable[[Any], None], wake: Callable[[], None]
    ) -> StreamCall:
        """Opens a stream and sends ``opening``.

        Args:
            opening: the first request, serialized.
            on_response: called with each StreamResponse, on a thread of the stream.
            wake: called where the stream takes more requests or has ended.

        Raises:
            OSError: a file of the options cannot be read.
            ValueError: a file of the options does not hold what it should.
        """
        metadata = _access.authorization(self._options.token, self._options.token_file)
        credentials = _access.channel_credentials(
            tls=self._options.tls,
            ca_cert=self._options.ca_cert,
            client_cert=self._options.client_cert,
            client_key=self._options.client_key,
        )
        target = self._options.endpoint
        channel = (
            self._grpc.insecure_channel(target, _CHANNEL_OPTIONS)
            if credentials is None
            else self._grpc.secure_channel(target, credentials, _CHANNEL_OPTIONS)
        )
        # Requests come serialized.
        method = channel.stream_stream(METHOD, response_deserializer=self._parse)
        outgoing: queue.SimpleQueue[Optional[bytes]] = queue.SimpleQueue()
        outgoing.put(opening)
        call = method(_requests(outgoing, wake), metadata=metadata)
        return StreamCall(channel, call, outgoing, on_response, wake)


class StreamCall:
    """An open stream. Sending never blocks; reading has its own thread."""

    def __init__(
        self,
        channel: Any,
        call: Any,
        outgoing: queue.SimpleQueue[Optional[bytes]],
        on_response: Callable[[Any], None],
        wake: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._call = call
        self._outgoing = outgoing
        self._on_response = on_response
        self._wake = wake
        self._end: Optional[StreamEnd] = None
        self._reader = threading.Thread(target=self._read, name="firekeeper-reader", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> Optional[StreamEnd]:
        """How the stream ended; None: it is open."""
        return self._end

    @property
    def takes_more(self) -> bool:
        """Whether send() is welcome now."""
        return self._outgoing.qsize() < DEPTH

    def send(self, message: bytes) -> None:
        """Sends a serialized request after those before it."""
        self._outgoing.put(message)

    def half_close(self) -> None:
        """No request follows."""
        self._outgoing.put(None)

    def cancel(self) -> None:
        """Ends the stream; ``ended`` is set soon after."""
        self._call.cancel()

    def release(self, seconds: float) -> None:
        """Ends the connection and lets its threads go.

        Args:
            seconds: how long the reader's end is waited for.
        """
        self._outgoing.put(None)
        if self._end is None:
            self._call.cancel()
        self._reader.join(seconds)
        self._channel.close()

    def _read(self) -> None:
        end = StreamEnd(Code.OK)
        try:
            for response in self._call:
                self._on_response(response)
        except Exception as error:  # pylint: disable=broad-except
            if error is self._call:  # how gRPC tells of the end
                end = _stream_end(error)
            else:
                end = StreamEnd(Code.UNKNOWN, f"{type(error).__name__}: {error}")
                self._call.cancel()
        self._end = end
        self._wake()


def _requests(
    outgoing: queue.SimpleQueue[Optional[bytes]], wake: Callable[[], None]
) -> Iterator[bytes]:
    """What gRPC's own thread sends. Refers to no stream, which could not be freed else."""
    while True:
        message = outgoing.get()
        if message is None:
            return
        wake()
        yield message


def _stream_end(error: Any) -> StreamEnd:
    code = Code(error.code().value[0])
    return StreamEnd(code, error.details() or "", _retry_after_seconds(error))


def _retry_after_seconds(error: Any) -> float:
    """RetryInfo of an error; 0 where it is missing or malformed."""
    from firekeeper.v1 import errors_pb2
    from google.protobuf.message import DecodeError

    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY:
            continue
        try:
            status = errors_pb2.Status.FromString(value)
            for detail in status.details:
                if detail.type_url == _RETRY_INFO:
                    info = errors_pb2.RetryInfo.FromString(detail.value)
                    return float(info.retry_delay.ToNanoseconds() / 1e9)
        except DecodeError:
            return 0.0
    return 0.0
