"""Reads what a server knows of any run, from a notebook or a script."""

from __future__ import annotations

import os
from typing import Any, Dict, Generator, Iterator, List, Optional, Sequence, Type, Union

from firekeeper import _access, _answers
from firekeeper._errors import FieldProblem, FirekeeperError

DEFAULT_ENDPOINT = "127.0.0.1:50061"
# A page of the widest messages stays far below gRPC's 4 MiB; servers may cut it.
PAGE_SIZE = 1000
DETAILS_KEY = "grpc-status-details-bin"
CHANNEL_OPTIONS = (
    # A peer that vanished without a word is noticed within 40 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Else an early refusal would be remembered for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
)


class Client:
    """A connection to a Firekeeper server. Thread-safe.

    Every answer is made of plain dicts and lists whose keys are the fields of
    ``firekeeper.v1``. Enums are lower-case words such as ``born_dead``, times are aware
    datetimes in UTC, and what is absent or unspecified is None.

    Every method raises ``FirekeeperError`` where the server cannot be reached or refuses:
    its ``code`` is ``NOT_FOUND`` for a run or layer that does not exist, ``UNAVAILABLE``
    without a server, ``DEADLINE_EXCEEDED`` after ``timeout``.

        with firekeeper.Client() as client:
            for layer in client.layers("my-run"):
                print(layer["layer"]["name"], client.dead_units("my-run", layer["layer"]["name"]))

    Args:
        endpoint: ``host:port``, or another target that gRPC understands. Default: the
            environment's FIREKEEPER_ENDPOINT, else 127.0.0.1:50061.
        token: sent with every call; without TLS anyone on the way can read it. Default:
            FIREKEEPER_TOKEN. Empty: none.
        ca_cert: PEM file of the certificates to trust. Any of the files switches TLS on.
            Default: FIREKEEPER_CA_CERT.
        client_cert: PEM file of our own certificate. Default: FIREKEEPER_CLIENT_CERT.
        client_key: PEM file of its key. Default: FIREKEEPER_CLIENT_KEY.
        timeout: seconds that one call may take; a long list takes a call every 1,000
            entries. ``watch_events`` waits for as long as it takes.
        tls: connect with TLS, trusting the system's certificates, where no file is named.

    Raises:
        ValueError: an option cannot be: an endpoint without a port, a token that no header
            can carry, a certificate without its key, a timeout that is not positive.
        OSError: a file cannot be read.
        ImportError: grpcio or protobuf is not installed.
    """

    def __init__(
        self,
        endpoint: Optional[str] = None,
        *,
        token: Optional[str] = None,
        ca_cert: Optional[str] = None,
        client_cert: Optional[str] = None,
        client_key: Optional[str] = None,
        timeout: float = 10.0,
        tls: bool = False,
    ) -> None:
        # Here: whoever only trains pays for no import of gRPC.
        import grpc
        from firekeeper.v1 import diagnostics_pb2, diagnostics_pb2_grpc, resources_pb2

        if not timeout > 0:
            raise ValueError(f"timeout: got {timeout} s; it must be positive")
        self.endpoint = _checked_endpoint(_option(endpoint, "ENDPOINT") or DEFAULT_ENDPOINT)
        self.timeout = timeout
        self._metadata = _access.authorization(_option(token, "TOKEN"))
        credentials = _access.channel_credentials(
            tls=tls,
            ca_cert=_option(ca_cert, "CA_CERT"),
            client_cert=_option(client_cert, "CLIENT_CERT"),
            client_key=_option(client_key, "CLIENT_KEY"),
        )
        self._channel = (
            grpc.insecure_channel(self.endpoint, CHANNEL_OPTIONS)
            if credentials is None
            else grpc.secure_channel(self.endpoint, credentials, CHANNEL_OPTIONS)
        )
        self._rpc_error: Type[Exception] = grpc.RpcError
        self._stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(self._channel)
        self._messages = diagnostics_pb2
        self._states = resources_pb2.HealthState.DESCRIPTOR
        self._signals = resources_pb2.Signal.DESCRIPTOR
        self._phases = resources_pb2.Phase.DESCRIPTOR
        self._severities = diagnostics_pb2.EventSeverity.DESCRIPTOR

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"firekeeper.Client({self.endpoint!r})"

    def close(self) -> None:
        """Closes the connection; calls that still run end with CANCELLED."""
        self._channel.close()

    def server_info(self) -> Dict[str, Any]:
        """What the server is, allows and promises."""
        return _answers.as_dict(
            self._call(self._stub.GetServerInfo, self._messages.GetServerInfoRequest())
        )

    def runs(self) -> List[Dict[str, Any]]:
        """The runs of the caller's tenant, in order of ``run_id``."""
        pages = self._pages(self._stub.ListRuns, self._messages.ListRunsRequest())
        return [run for page in pages for run in _answers.as_dicts(page.runs)]

    def run(self, run: str) -> Dict[str, Any]:
        """One run, by its id."""
        request = self._messages.GetRunRequest(run_id=run)
        return _answers.as_dict(self._call(self._stub.GetRun, request).run)

    def layers(self, run: str) -> List[Dict[str, Any]]:
        """The layers of a run with the counts of their units by state, in forward order."""
        request = self._messages.ListLayersRequest(run_id=run)
        pages = self._pages(self._stub.ListLayers, request)
        return [layer for page in pages for layer in _answers.as_dicts(page.layers)]

    def layer(self, run: str, layer: str) -> Dict[str, Any]:
        """One layer of a run."""
        request = self._messages.GetLayerRequest(run_id=run, layer=layer)
        return _answers.as_dict(self._call(self._stub.GetLayer, request).layer)

    def units(
        self,
        run: str,
        layer: str,
        states: Union[str, Sequence[str], None] = None,
        at_event: Optional[int] = None,
    ) -> Dict[str, Any]:
        """The verdicts of a layer's units, as columns with an entry a unit.

        Args:
            run: id of the run.
            layer: name of the layer.
            states: only units whose first state is one of these words, or this one; ``dead``
                includes ``born_dead``. None: all.
            at_event: as they were at the event of the layer with this ``event_id``, where the
                server has a store and kept it. None: as they are now.

        Returns:
            NumPy arrays of shape [units] by the fields of ``UnitVerdict``, lists without
            NumPy: ``unit``, ``state``, ``last_firing_step``, ``rate_upper_bound``, ….
            Absent steps are -1, an absent ``dormancy_score`` is NaN, words that say nothing
            are empty. The shards of ``coverage`` are ``coverage_shards_received`` and
            ``coverage_shards_expected``.

        Raises:
            ValueError: a word is no health state.
            FirekeeperError: as every method.
        """
        request = self._messages.ListUnitsRequest(
            run_id=run,
            layer=layer,
            states=self._state_numbers(states),
            at_event_id=at_event or 0,
        )
        verdicts = [
            unit for page in self._pages(self._stub.ListUnits, request) for unit in page.units
        ]
        descriptor = self._messages.ListUnitsResponse.DESCRIPTOR.fields_by_name["units"]
        return _answers.as_columns(descriptor.message_type, verdicts)

    def dead_units(self, run: str, layer: str) -> List[int]:
        """Indices of the units that are ``dead`` or ``born_dead``, ascending.

        Units that were silent on a fixed set only, ``dead_on_set``, are not among them.
        """
        return [int(unit) for unit in self.units(run, layer, "dead")["unit"]]

    def history(
        self, run: str, layer: str, signal: str, phase: str = "train"
    ) -> List[Dict[str, Any]]:
        """The windows that the server keeps of a signal, oldest first.

        Args:
            run: id of the run.
            layer: name of the layer.
            signal: a word such as ``activation`` or ``weight_update``.
            phase: ``train``, ``eval``, ``birth`` or ``probe``.

        Raises:
            ValueError: a word is no signal or phase.
            FirekeeperError: as every method.
        """
        request = self._messages.GetLayerHistoryRequest(
            run_id=run,
            layer=layer,
            signal=_answers.number_of(self._signals, signal),
            phase=_answers.number_of(self._phases, phase),
        )
        pages = self._pages(self._stub.GetLayerHistory, request)
        return [window for page in pages for window in _answers.as_dicts(page.windows)]

    def diagnosis(self, run: str) -> Dict[str, Any]:
        """Why the units of a run died and what to do, from what was streamed so far."""
        request = self._messages.DiagnoseRunRequest(run_id=run)
        return _answers.as_dict(self._call(self._stub.DiagnoseRun, request))

    def events(
        self, run: str, layer: Optional[str] = None, min_severity: Optional[str] = None
    ) -> List[Dict[str, Any]]:
        """What happened in a run, oldest first, as far as the server keeps it.

        Args:
            run: id of the run.
            layer: only events of this layer. None: all.
            min_severity: only events at least so severe: ``info``, ``warning``,
                ``critical``. None: all.

        Raises:
            ValueError: ``min_severity`` is none of these.
            FirekeeperError: as every method.
        """
        request = self._messages.ListEventsRequest(
            run_id=run, layer=layer or "", min_severity=self._severity_number(min_severity)
        )
        if layer:
            # The server gives an empty list for a layer that does not exist.
            self.layer(run, layer)
        pages = self._pages(self._stub.ListEvents, request)
        return [event for page in pages for event in _answers.as_dicts(page.events)]

    def watch_events(
        self,
        run: str,
        layer: Optional[str] = None,
        min_severity: Optional[str] = None,
        *,
        after_event_id: int = 0,
    ) -> Generator[Dict[str, Any], None, None]:
        """The events of a run: those that the server keeps, then each as it happens.

        Ends when the run has ended. To go on after an error, start anew with the
        ``event_id`` of the last event as ``after_event_id``.

        Raises:
            ValueError: at the call, as ``events``.
            FirekeeperError: at the first event or any later one, as every method; with
                ``NOT_FOUND`` when the run is deleted.
        """
        least = self._severity_number(min_severity)
        request = self._messages.WatchEventsRequest(run_id=run, after_event_id=after_event_id)
        return self._watch(request, layer, least)

    def _watch(
        self, request: Any, layer: Optional[str], least: int
    ) -> Generator[Dict[str, Any], None, None]:
        if layer:
            self.layer(request.run_id, layer)
        answers = self._stub.WatchEvents(request, metadata=self._metadata)
        try:
            for answer in answers:
                event = answer.event
                if event.severity >= least and layer in (None, "", event.layer):
                    yield _answers.as_dict(event)
        except self._rpc_error as error:
            raise _failure(error) from error
        finally:
            answers.cancel()

    def end_run(self, run: str) -> Dict[str, Any]:
        """Marks a run as ended and returns it; ending an ended run changes nothing."""
        request = self._messages.EndRunRequest(run_id=run)
        return _answers.as_dict(self._call(self._stub.EndRun, request).run)

    def delete_run(self, run: str) -> None:
        """Forgets a run at once; whoever still streams it is turned away."""
        self._call(self._stub.DeleteRun, self._messages.DeleteRunRequest(run_id=run))

    def _state_numbers(self, states: Union[str, Sequence[str], None]) -> List[int]:
        words = [states] if isinstance(states, str) else list(states or ())
        if "dead" in words:
            words.append("born_dead")
        return [_answers.number_of(self._states, word) for word in words]

    def _severity_number(self, word: Optional[str]) -> int:
        return 0 if word is None else _answers.number_of(self._severities, word)

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self.timeout, metadata=self._metadata)
        except self._rpc_error as error:
            raise _failure(error) from error

    def _pages(self, method: Any, request: Any) -> Iterator[Any]:
        request.page_size = PAGE_SIZE
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            if page.next_page_token == request.page_token:
                raise FirekeeperError("the server repeats a page of its list", code="INTERNAL")
            request.page_token = page.next_page_token


def _option(given: Optional[str], name: str) -> str:
    """An option of the connection, from the environment where it is not given."""
    return os.environ.get(f"FIREKEEPER_{name}", "") if given is None else given


def _checked_endpoint(endpoint: str) -> str:
    # gRPC takes much more, and says nothing useful of a URL or a missing port.
    _, colon, port = endpoint.rpartition(":")
    if not colon or not port or endpoint.startswith(("http://", "https://")):
        raise ValueError(f"endpoint: {endpoint!r} is not host:port, as {DEFAULT_ENDPOINT} is")
    return endpoint


def _failure(error: Any) -> FirekeeperError:
    """What the server said of a call that failed, with its details (google.rpc.Status)."""
    from firekeeper.v1 import errors_pb2

    status, info = errors_pb2.Status(), errors_pb2.ErrorInfo()
    bad, retry = errors_pb2.BadRequest(), errors_pb2.RetryInfo()
    known = {"ErrorInfo": info, "BadRequest": bad, "RetryInfo": retry}
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            _parse(status, value)
    for detail in status.details:
        name = detail.type_url.rpartition("google.rpc.")[2]
        if name in known:
            _parse(known[name], detail.value)
    delay = retry.retry_delay.ToTimedelta().total_seconds()
    return FirekeeperError(
        error.details() or "",
        code=error.code().name,
        fields=tuple(FieldProblem(each.field, each.description) for each in bad.field_violations),
        reason=info.reason,
        metadata=dict(info.metadata),
        retry_after_seconds=delay if retry.HasField("retry_delay") else None,
    )


def _parse(message: Any, data: bytes) -> None:
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(data)
    except DecodeError:
        # Details are a courtesy: the code and the message stand without them.
        message.Clear()
