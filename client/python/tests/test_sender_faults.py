"""The sender against servers that fail in scripted ways, and against none."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import signal
import sys
import threading
import time
from typing import Any, Iterator

import grpc
import processes
import pytest
from firekeeper._options import SenderOptions
from firekeeper._ring import RawTensor
from firekeeper._sender import Counters, Sender
from firekeeper._status import ConnectionState
from firekeeper._vocabulary import LayerSpec, Phase, Signal
from firekeeper.v1 import errors_pb2, ingest_pb2
from google.protobuf import any_pb2, duration_pb2
from scripted import Requests, ScriptedServer, ack, ending, opened, silent, well_behaved
from sending import LAYERS, Pending, check_invariant, send, sender_to

NOWHERE = "127.0.0.1:1"


def one_ack_then_gone(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
    """Acks the first snapshot of the batch that comes and breaks the connection."""
    del server
    next(requests)
    yield opened()
    for request in requests:
        if request.HasField("batch"):
            yield ack(request.batch.first_seq)
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


def go_on_after_one(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
    """Has the first snapshot and takes the rest."""
    del server, context
    next(requests)
    yield opened(accepted_seq=1)
    for request in requests:
        if request.HasField("batch"):
            yield ack(request.batch.first_seq + len(request.batch.snapshots) - 1)


def test_a_reconnect_resends_only_what_was_not_accepted() -> None:
    with ScriptedServer(one_ack_then_gone, go_on_after_one).running() as server:
        sender = sender_to(server.endpoint)
        for step in range(3):
            send(sender, step)

        assert sender.close(20.0)

    batches = [each.batch for each in server.log if each.HasField("batch")]
    assert batches[0].first_seq == 1
    assert batches[-1].first_seq == 2
    opens = [each.open for each in server.log if each.HasField("open")]
    assert opens[0].instance_id == opens[1].instance_id != 0
    assert opens[1].first_held_seq == 2
    assert sender.counters() == Counters(enqueued=3, acked=3, reconnects=1)


def test_close_keeps_to_its_deadline() -> None:
    with ScriptedServer(silent).running() as server:
        sender = sender_to(server.endpoint)
        send(sender, 0)
        server.receive("batch")
        began = time.monotonic()

        assert not sender.close(0.3)

        assert time.monotonic() - began < 5.0
        assert sender.counters() == Counters(enqueued=1, dropped=1)
        assert sender.connection().state is ConnectionState.CLOSED


def test_close_without_a_server_keeps_to_its_deadline() -> None:
    sender = sender_to(NOWHERE)
    send(sender, 0)
    began = time.monotonic()

    assert not sender.close(0.2)

    assert time.monotonic() - began < 5.0


def test_close_of_a_sender_that_had_nothing_to_say() -> None:
    sender = sender_to(NOWHERE)

    assert sender.close(5.0)
    assert sender.connection().state is ConnectionState.CLOSED


def test_no_server_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    sender = sender_to(NOWHERE, backoff_longest_seconds=0.1)
    for step in range(50):
        send(sender, step)
    processes.wait_for("a failed try", lambda: sender.connection().last_error)
    sender.close(0.5)

    warnings = [each for each in caplog.records if "not connected" in each.getMessage()]
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
def test_what_trying_again_cannot_mend_ends_it(
    code: grpc.StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedServer(ending(code, "no way")).running() as server:
        sender = sender_to(server.endpoint)
        send(sender, 0)
        processes.wait_for("the end", lambda: sender.connection().state is ConnectionState.FAILED)
        send(sender, 1)

        assert sender.connection().last_error == f"{code.name}: no way"
        processes.wait_for("the drop", lambda: sender.counters().dropped == 2)
        assert [each.levelno for each in caplog.records] == [logging.ERROR]
        assert len(server.metadata) == 1


def test_a_broken_protocol_is_given_a_few_tries() -> None:
    with ScriptedServer(ending(grpc.StatusCode.OUT_OF_RANGE)).running() as server:
        sender = sender_to(server.endpoint, backoff_longest_seconds=0.1)
        send(sender, 0)

        processes.wait_for("the end", lambda: sender.connection().state is ConnectionState.FAILED)

        assert len(server.metadata) == 5


def test_a_server_that_answers_nonsense_is_left() -> None:
    def nonsense(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
        del server, context
        next(requests)
        yield opened()
        yield ack(7)

    with ScriptedServer(nonsense, well_behaved).running() as server:
        sender = sender_to(server.endpoint)
        send(sender, 0)

        assert sender.close(20.0)
        assert len(server.metadata) == 2


def test_waits_as_long_as_the_server_asks() -> None:
    asked = 0.7

    def busy(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
        del server
        next(requests)
        info = errors_pb2.RetryInfo(
            retry_delay=duration_pb2.Duration(nanos=int(asked * 1e9))
        ).SerializeToString()
        detail = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=info)
        status = errors_pb2.Status(code=14, message="busy", details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        yield opened()

    with ScriptedServer(busy, well_behaved).running() as server:
        sender = sender_to(server.endpoint, backoff_longest_seconds=0.1)
        send(sender, 0)
        server.receive("open")
        first = time.monotonic()
        server.receive("open")

        assert time.monotonic() - first > asked - 0.1
        assert sender.close(20.0)


def test_the_token_travels_and_may_change(tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")

    def rotating(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
        file.write_text("second\n")
        yield from one_ack_then_gone(server, requests, context)

    with ScriptedServer(rotating, go_on_after_one).running() as server:
        sender = sender_to(server.endpoint, token_file=str(file))
        send(sender, 0)
        send(sender, 1)
        assert sender.close(20.0)

    seen = [metadata["authorization"] for metadata in server.metadata]
    assert seen == ["Bearer first", "Bearer second"]


def test_open_declares_layers_and_labels() -> None:
    with ScriptedServer(well_behaved).running() as server:
        options = SenderOptions(
            run="run", endpoint=server.endpoint, labels={"model": "mlp"}, source=1, source_count=2
        )
        sender = Sender(options, [LayerSpec("fc", 8, unit_range=(2, 3), inputs=("x",))])
        sender.step_done(0)
        opening = server.receive("open")
        assert sender.close(20.0)

    assert (opening.source, opening.source_count) == (1, 2)
    assert opening.launch_token == sender.launch_token != ""
    assert dict(opening.labels) == {"model": "mlp"}
    assert (opening.layers[0].unit_range.first, opening.layers[0].unit_range.count) == (2, 3)
    assert list(opening.layers[0].inputs) == ["x"]


def test_nothing_is_resolved_while_there_is_no_server() -> None:
    resolved = threading.Event()

    class Watched(Pending):
        def resolve(self) -> Any:
            resolved.set()
            return super().resolve()

    sender = sender_to(NOWHERE)
    sender.enqueue("fc", Signal.ACTIVATION, Phase.TRAIN, 0, 0, Watched())
    processes.wait_for("a failed try", lambda: sender.connection().last_error)

    assert not resolved.is_set()
    sender.close(0.1)


def test_a_device_that_hangs_does_not_let_memory_grow() -> None:
    free = threading.Event()

    class Hanging(Pending):
        def resolve(self) -> Any:
            free.wait(30)
            return super().resolve()

    with ScriptedServer(well_behaved).running() as server:
        sender = sender_to(server.endpoint, ring_bytes=1 << 16)
        sender.enqueue("fc", Signal.ACTIVATION, Phase.TRAIN, 0, 0, Hanging())
        server.receive("open")
        tensor = RawTensor(2, (256, 4), 1, 0, bytes(4096))
        for step in range(1, 500):
            sender.enqueue_tensor("fc", Signal.ACTIVATION, Phase.TRAIN, step, 0, tensor)
        counters = sender.counters()
        free.set()

        check_invariant(counters)
        assert counters.dropped > 0
        assert counters.buffered_bytes < 10 << 16
        sender.close(20.0)
        check_invariant(sender.counters())


@pytest.mark.parametrize(
    ("layer", "step", "part"), [("other", 0, 0), ("fc", -1, 0), ("fc", 2**54, 0), ("fc", 0, -1)]
)
def test_a_bad_key_is_counted_and_told_once(
    layer: str, step: int, part: int, caplog: pytest.LogCaptureFixture
) -> None:
    sender = sender_to(NOWHERE)

    for _ in range(2):
        sender.enqueue(layer, Signal.ACTIVATION, Phase.TRAIN, step, part, Pending())

    assert sender.counters() == Counters(invalid=2)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "tensor",
    [
        RawTensor(2, (2, 4), 1, 0, bytes(31)),
        RawTensor(2, (2, 4), 2, 0, bytes(32)),
        RawTensor(2, (2, 3), 1, 0, bytes(24)),
        RawTensor(9, (2, 4), 1, 0, bytes(32)),
        RawTensor(2, (2, 4), 1, 0, bytes(32), bytes(1 << 20)),
    ],
)
def test_a_bad_tensor_is_counted(tensor: RawTensor) -> None:
    sender = sender_to(NOWHERE)

    sender.enqueue_tensor("fc", Signal.ACTIVATION, Phase.TRAIN, 0, 0, tensor)

    assert sender.counters() == Counters(invalid=1)


def test_arguments_of_any_kind_do_not_raise() -> None:
    sender = sender_to(NOWHERE)
    nonsense: Any = object()

    sender.enqueue(nonsense, nonsense, nonsense, nonsense, nonsense, nonsense)
    sender.enqueue("fc", Signal.ACTIVATION, Phase.TRAIN, 0, 0, nonsense)
    sender.enqueue_tensor("fc", Signal.ACTIVATION, Phase.TRAIN, 0, 0, nonsense)
    sender.scalar(nonsense, nonsense, nonsense)
    sender.step_done(nonsense)

    assert sender.counters().errors + sender.counters().invalid == 5


def test_bad_options_are_logged_and_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender(SenderOptions(run="a b", endpoint=NOWHERE), LAYERS)

    send(sender, 0)

    assert "run: got 'a b'" in caplog.text
    assert sender.counters() == Counters()
    assert sender.connection().state is ConnectionState.FAILED
    assert not sender.close(1.0)


def test_without_grpc_nothing_is_sent_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    modules: Any = sys.modules
    monkeypatch.setitem(modules, "grpc", None)
    sender = sender_to(NOWHERE)

    send(sender, 0)
    processes.wait_for("the end", lambda: sender.connection().state is ConnectionState.FAILED)
    send(sender, 1)

    processes.wait_for("the drop", lambda: sender.counters().dropped == 2)
    check_invariant(sender.counters())
    assert not sender.close(1.0)
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


def test_a_disabled_sender_does_nothing() -> None:
    sender = Sender(SenderOptions(run="", disabled=True), [])

    send(sender, 0)
    sender.scalar("loss", 0, 1.0)
    sender.step_done(0)

    assert sender.close(5.0)
    assert sender.counters() == Counters()
    assert sender.connection().state is ConnectionState.DISABLED


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_is_switched_off(copied: Any) -> None:
    with ScriptedServer(well_behaved).running() as server:
        sender = sender_to(server.endpoint)
        send(sender, 0)

        other = copied(sender)
        send(other, 1)

        assert other.counters() == Counters()
        assert sender.close(20.0)
        assert sender.counters().enqueued == 1


def test_a_signal_handler_may_do_everything() -> None:
    with ScriptedServer(well_behaved).running() as server:
        sender = sender_to(server.endpoint)
        calls = 0

        def handler(*_: Any) -> None:
            nonlocal calls
            calls += 1
            send(sender, 0, part=calls)
            sender.scalar("loss", calls, 0.0)
            check_invariant(sender.counters())

        previous = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            end = time.monotonic() + 1.0
            step = 0
            while time.monotonic() < end:
                step += 1
                send(sender, step)
                check_invariant(sender.counters())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)

        assert calls > 10
        assert sender.close(20.0)
        assert sender.counters().acked == step + calls


def test_close_may_be_interrupted() -> None:
    with ScriptedServer(silent).running() as server:
        sender = sender_to(server.endpoint)
        send(sender, 0)
        server.receive("batch")
        timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()

        with pytest.raises(KeyboardInterrupt):
            sender.close(30.0)

        assert not sender.close(0.1)


def test_many_threads_may_observe() -> None:
    with ScriptedServer(well_behaved).running() as server:
        sender = sender_to(server.endpoint)

        def observe(part: int) -> None:
            for step in range(200):
                send(sender, step, part)

        threads = [threading.Thread(target=observe, args=(part,)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sender.close(20.0)
        assert sender.counters() == Counters(enqueued=1600, acked=1600)
        opens = [each for each in server.log if each.HasField("open")]
        assert len(opens) == 1, "one thread was started"
        assert isinstance(opens[0], ingest_pb2.StreamRequest)
