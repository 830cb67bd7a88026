"""What a session sends and what it makes of answers; scripted, on a clock by hand."""

from __future__ import annotations

import pytest
from firekeeper._outbox import MAX_BATCH_SNAPSHOTS
from firekeeper._retry import Code
from firekeeper._status import ConnectionState
from firekeeper.v1 import errors_pb2, ingest_pb2
from google.protobuf import duration_pb2
from session_table import MESSAGE_BYTES, PLENTY, SessionTable


def test_sends_nothing_before_it_is_opened() -> None:
    table = SessionTable()
    table.push_summary(0)
    table.begin()

    assert table.drain() == []


def test_open_names_the_oldest_number_held() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)
    table.push_summary(1)
    table.drain()
    table.ack(1)
    table.end(Code.UNAVAILABLE)

    opening = table.begin()

    assert (opening.run_id, opening.first_held_seq) == ("run", 2)


def test_sends_consecutive_snapshots_together() -> None:
    table = SessionTable()
    table.open()
    for step in (0, 0, 1):
        table.push_summary(step)

    (request,) = table.drain()

    assert request.batch.first_seq == 1
    assert [snapshot.step for snapshot in request.batch.snapshots] == [0, 0, 1]
    assert request.batch.snapshots[0].summary.columns[0].data == b"s" * 10


def test_a_batch_keeps_to_the_size_of_a_message() -> None:
    table = SessionTable()
    table.open()
    for _ in range(5):
        table.push_summary(0, 400)

    messages = table.drain_bytes()

    assert len(messages) == 3
    assert all(len(message) <= MESSAGE_BYTES for message in messages)


def test_a_batch_holds_a_bounded_number_of_snapshots() -> None:
    table = SessionTable()
    table.open()
    for _ in range(MAX_BATCH_SNAPSHOTS + 1):
        table.push_summary(0, 0)

    sizes = [len(request.batch.snapshots) for request in table.drain()]

    assert max(sizes) <= MAX_BATCH_SNAPSHOTS
    assert sum(sizes) == MAX_BATCH_SNAPSHOTS + 1


def test_cuts_a_tensor_into_chunks_under_one_number() -> None:
    table = SessionTable()
    table.open()
    table.push_tensor(3, 2500)
    table.push_summary(3)

    *chunks, last = table.drain()

    tensors = [request.batch.snapshots[0].tensor for request in chunks]
    assert [request.batch.first_seq for request in chunks] == [1, 1, 1]
    assert [tensor.chunk_index for tensor in tensors] == [0, 1, 2]
    assert {tensor.chunk_count for tensor in tensors} == {3}
    assert [tensor.byte_offset for tensor in tensors] == [0, 1000, 2000]
    assert b"".join(tensor.data for tensor in tensors) == bytes(i % 251 for i in range(2500))
    assert [len(tensor.validity_mask) for tensor in tensors] == [78, 0, 0]
    assert last.batch.first_seq == 2


def test_a_small_tensor_travels_with_others() -> None:
    table = SessionTable()
    table.open()
    table.push_tensor(0, 40)
    table.push_summary(0)

    (request,) = table.drain()

    tensor = request.batch.snapshots[0].tensor
    assert (tensor.shape, tensor.cluster_axis, tensor.chunk_count) == ([10, 1], 0, 0)
    assert len(tensor.data) == 40
    assert len(request.batch.snapshots) == 2


def test_resumes_after_the_accepted_mark() -> None:
    table = SessionTable()
    table.open()
    for step in range(4):
        table.push_summary(step)
    table.drain()
    table.end(Code.UNAVAILABLE)

    table.open(accepted_seq=2)

    (request,) = table.drain()
    assert (request.batch.first_seq, len(request.batch.snapshots)) == (3, 2)
    assert table.ring.acked == 2


def test_begins_an_unfinished_tensor_anew_after_a_reconnect() -> None:
    table = SessionTable(credit=1500)
    table.open()
    table.push_tensor(0, 2500)
    assert len(table.drain()) == 1, "the credit covers one chunk"
    table.end(Code.UNAVAILABLE)
    table.credit = PLENTY

    table.open()

    indices = [request.batch.snapshots[0].tensor.chunk_index for request in table.drain()]
    assert indices == [0, 1, 2]


def test_declares_what_the_ring_dropped() -> None:
    table = SessionTable()
    table.open()
    for step in range(10, 14):
        table.push_summary(step)
    table.ring.drop(1)
    table.ring.drop(2)

    gap, batch = table.drain()

    assert (gap.gap.from_seq, gap.gap.to_seq) == (1, 2)
    assert (gap.gap.first_step, gap.gap.last_step, gap.gap.samples) == (10, 11, 2)
    assert batch.batch.first_seq == 3


def test_does_not_declare_what_this_stream_has_sent() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)
    table.push_summary(1)
    table.drain()
    table.ring.drop(1)
    table.push_summary(2)

    (request,) = table.drain()

    assert request.batch.first_seq == 3


def test_declares_to_a_server_that_forgot_what_it_once_acked() -> None:
    table = SessionTable()
    table.open()
    for step in range(3):
        table.push_summary(step)
    table.drain()
    table.ack(2)
    table.end(Code.UNAVAILABLE)

    table.open(accepted_seq=0)

    gap, batch = table.drain()
    assert (gap.gap.from_seq, gap.gap.to_seq) == (1, 2)
    assert batch.batch.first_seq == 3


def test_sends_no_byte_beyond_the_credit() -> None:
    table = SessionTable(credit=2000)
    table.open()
    for _ in range(10):
        table.push_summary(0, 400)

    first = sum(map(len, table.drain_bytes()))
    assert 1000 < first <= 2000

    table.ack(2, credit=2900)
    second = first + sum(map(len, table.drain_bytes()))
    assert 2000 < second <= 2900


def test_credit_never_shrinks() -> None:
    table = SessionTable()
    table.open()
    table.ack(0, credit=1)
    table.push_summary(0)

    assert len(table.drain()) == 1


def test_nothing_is_resolved_without_credit_or_stream() -> None:
    table = SessionTable(credit=100)
    table.push_summary(0)
    table.begin()
    assert table.session.unresolved(table.now) == []

    table.answer(opened=ingest_pb2.Opened(credit_bytes=100))
    assert table.session.unresolved(table.now) == [1]


def test_drops_what_no_credit_can_ever_cover() -> None:
    table = SessionTable()
    table.open(limits=ingest_pb2.ServerLimits(credit_window_bytes=1000))
    table.push_summary(0, 5000)
    table.push_summary(1)

    gap, batch = table.drain()

    assert gap.gap.to_seq == 1
    assert batch.batch.first_seq == 2
    assert table.ring.dropped == 1


def test_drops_a_tensor_that_the_server_would_not_take() -> None:
    table = SessionTable()
    table.open(limits=ingest_pb2.ServerLimits(max_tensor_bytes=2499))
    table.push_tensor(0, 2500)
    table.push_tensor(1, 2499)

    requests = table.drain()

    assert requests[0].gap.to_seq == 1
    assert len(requests) == 4


def test_drops_a_tensor_whose_clusters_cannot_be_cut() -> None:
    table = SessionTable()
    table.open()
    table.push_tensor(0, 2500, cluster_axis=1)

    (request,) = table.drain()

    assert request.gap.to_seq == 1
    assert "cluster axis" in table.session.take_log()[-1].text


def test_counts_a_reject_and_goes_on() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)
    table.push_summary(1)
    table.drain()

    table.answer(reject=ingest_pb2.Reject(seq=1, status=errors_pb2.Status(message="too odd")))
    table.ack(2)

    assert (table.ring.rejected, table.ring.acked) == (1, 1)
    assert any("too odd" in line.text for line in table.session.take_log())


def test_stops_sending_the_chunks_of_a_rejected_tensor() -> None:
    table = SessionTable(credit=1500)
    table.open()
    table.push_tensor(0, 2500)
    table.push_summary(0)
    table.drain()

    table.answer(reject=ingest_pb2.Reject(seq=1))
    table.ack(1, credit=3000)

    (request,) = table.drain()
    assert request.batch.first_seq == 2


def test_no_ack_is_taken_for_a_tensor_that_waits_for_credit() -> None:
    table = SessionTable(credit=100)
    table.open()
    table.push_tensor(0, 2500)
    assert not table.drain()

    assert table.ack(1, credit=3000) is not None

    assert table.ring.acked == 0


def test_a_tensor_that_is_rejected_before_it_is_sent_becomes_a_gap() -> None:
    table = SessionTable(credit=100)
    table.open()
    table.push_tensor(0, 2500)
    assert not table.drain()

    table.answer(reject=ingest_pb2.Reject(seq=1))

    (request,) = table.drain()
    assert (request.gap.from_seq, request.gap.to_seq) == (1, 1)


def test_an_early_ack_of_a_tensor_stops_its_chunks() -> None:
    table = SessionTable(credit=1500)
    table.open()
    table.push_tensor(0, 2500)
    table.drain()

    assert table.ack(1, credit=3000) is None

    assert table.drain() == []
    assert table.ring.acked == 1


def test_sends_nothing_while_throttled() -> None:
    table = SessionTable()
    table.open()
    wait = duration_pb2.Duration(seconds=2)
    table.answer(throttle=ingest_pb2.Throttle(retry_after=wait))
    table.push_summary(0)

    assert table.drain() == []
    assert table.session.wake_at(table.now) == table.now + 2.0
    table.now += 2.0
    assert len(table.drain()) == 1


def test_holds_what_is_accepted_but_not_durable() -> None:
    table = SessionTable()
    table.open(durability=ingest_pb2.DURABILITY_COMMITTED)
    table.push_summary(0)
    table.push_summary(1)
    table.drain()

    table.ack(2, durable=1)

    assert (table.ring.acked, table.ring.buffered) == (1, 1)


def test_a_redirect_is_not_followed() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)

    assert table.answer(redirect=ingest_pb2.Redirect(endpoint="evil:1")) is None
    assert len(table.drain()) == 1


def test_progress_is_collected_and_kept_up_as_a_heartbeat() -> None:
    table = SessionTable()
    table.open()
    table.progress.note_done(0, 0)
    assert table.drain() == [], "collected first"
    table.progress.note_done(1, 0)
    table.now += 0.1

    (request,) = table.drain()
    assert request.progress.complete_through_step == 1

    table.now += 19.9
    assert table.drain() == []
    table.now += 0.11
    assert len(table.drain()) == 1, "also without news"


def test_progress_carries_steps_and_scalars() -> None:
    table = SessionTable()
    table.open()
    table.progress.note_sampled(7, table.push_summary(7))
    table.progress.note_scalar("loss", 7, float("inf"))
    table.now += 0.1

    progress = [each.progress for each in table.drain() if each.HasField("progress")]

    assert progress[0].sampled_steps == [7]
    assert progress[0].scalars[0] == ingest_pb2.Scalar(name="loss", step=7, value=float("inf"))


def test_closes_once_everything_is_sent() -> None:
    table = SessionTable(credit=120)
    table.open()
    table.push_summary(0, 50)
    table.push_summary(1, 50)
    table.session.begin_close()

    (first,) = table.drain()
    assert first.HasField("batch")
    table.ack(1, credit=1000)
    assert table.drain()[-1].close.final_seq == 2

    table.ack(2, credit=1000)
    assert table.end(Code.OK) is None
    assert table.session.closed_cleanly
    assert table.session.state is ConnectionState.CLOSED


def test_progress_comes_after_the_snapshots_of_its_steps_and_before_close() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)
    table.progress.note_done(0, 1)
    table.session.begin_close()

    kinds = [request.WhichOneof("message") for request in table.drain()]

    assert kinds == ["batch", "progress", "close"]


def test_an_ack_of_what_was_never_sent_breaks_the_protocol() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)

    end = table.ack(1)

    assert end is not None and "only 0 were sent" in end.message
    assert table.ring.acked == 0


def test_opened_beyond_what_was_given_breaks_the_protocol() -> None:
    table = SessionTable()
    table.push_summary(0)
    table.begin()

    assert table.answer(opened=ingest_pb2.Opened(accepted_seq=2)) is not None


@pytest.mark.parametrize("kind", ["ack", "reject"])
def test_answers_before_opened_break_the_protocol(kind: str) -> None:
    table = SessionTable()
    table.begin()
    message = ingest_pb2.Ack() if kind == "ack" else ingest_pb2.Reject()

    assert table.answer(**{kind: message}) is not None


def test_opened_twice_breaks_the_protocol() -> None:
    table = SessionTable()
    table.open()

    assert table.answer(opened=ingest_pb2.Opened()) is not None


def test_gives_up_on_a_server_that_does_not_answer_open() -> None:
    table = SessionTable()
    table.begin()

    table.now += 19.9
    assert not table.session.timed_out(table.now)
    table.now += 0.11
    assert table.session.timed_out(table.now)
