"""What a session makes of the ways a stream can end."""

from __future__ import annotations

import pytest
from firekeeper._retry import AfterEnd, Code, classify
from firekeeper._session import MAX_REFUSALS
from firekeeper._status import ConnectionState
from firekeeper.v1 import ingest_pb2
from session_table import SessionTable


def test_backs_off_with_full_jitter_up_to_the_longest() -> None:
    table = SessionTable()
    table.random = 1.0
    delays = []

    for _ in range(9):
        table.begin()
        delays.append(table.end(Code.UNAVAILABLE))

    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])
    table.random = 0.0
    table.begin()
    assert table.end(Code.UNAVAILABLE) == 0.0


def test_an_ack_resets_the_backoff() -> None:
    table = SessionTable()
    for _ in range(8):
        table.begin()
        table.end(Code.UNAVAILABLE)
    table.open()
    table.push_summary(0)
    table.drain()
    table.ack(1)

    assert table.end(Code.UNAVAILABLE) == pytest.approx(0.05)


def test_waits_as_long_as_the_server_asks_within_reason() -> None:
    table = SessionTable()

    table.begin()
    assert table.end(Code.UNAVAILABLE, retry_after=5.0) == 5.0
    assert table.session.state is ConnectionState.BACKING_OFF
    table.begin()
    assert table.end(Code.UNAVAILABLE, retry_after=1e9) == 60.0


def test_fenced_is_final_and_loud_once() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)
    end = table.answer(fenced=ingest_pb2.Fenced(reason="attempt 2 has begun"))
    assert end is not None and end.code is Code.ABORTED

    assert table.end(Code.UNAVAILABLE, "whatever comes") is None

    assert table.session.state is ConnectionState.FENCED
    assert "attempt 2 has begun" in table.session.last_error
    assert table.errors_logged() == 1
    assert (table.ring.dropped, table.ring.buffered) == (1, 0)


def test_aborted_without_a_word_is_fenced_too() -> None:
    table = SessionTable()
    table.open()

    assert table.end(Code.ABORTED, "superseded") is None
    assert table.session.state is ConnectionState.FENCED


def test_tries_a_protocol_error_a_few_times_only() -> None:
    table = SessionTable()
    for _ in range(MAX_REFUSALS - 1):
        table.begin()
        assert table.end(Code.OUT_OF_RANGE, "hole") is not None
    table.begin()

    assert table.end(Code.OUT_OF_RANGE, "hole") is None

    assert table.session.state is ConnectionState.FAILED
    assert table.errors_logged() == 1


def test_an_ack_between_protocol_errors_keeps_it_trying() -> None:
    table = SessionTable()
    for seq in range(1, 21):
        table.open(accepted_seq=seq - 1)
        table.push_summary(0)
        table.drain()
        table.ack(seq)
        assert table.end(Code.INTERNAL, "reset") is not None


def test_logs_the_same_error_once() -> None:
    table = SessionTable()
    for _ in range(10):
        table.begin()
        table.end(Code.UNAVAILABLE, "connection refused")

    assert len(table.session.take_log()) == 1


def test_ok_without_close_is_a_lost_connection() -> None:
    table = SessionTable()
    table.open()

    assert table.end(Code.OK) is not None
    assert table.session.state is ConnectionState.BACKING_OFF


def test_a_stream_that_breaks_after_close_is_closed_again() -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)
    table.session.begin_close()
    assert table.drain()[-1].HasField("close")
    assert table.end(Code.UNAVAILABLE) is not None

    table.open(accepted_seq=1)

    (request,) = table.drain()
    assert request.close.final_seq == 1


@pytest.mark.parametrize(
    "code",
    [
        Code.UNAUTHENTICATED,
        Code.PERMISSION_DENIED,
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.UNIMPLEMENTED,
        Code.RESOURCE_EXHAUSTED,
    ],
)
def test_what_cannot_be_mended_ends_for_good_at_once(code: Code) -> None:
    table = SessionTable()
    table.open()
    table.push_summary(0)

    assert table.end(code, "no") is None

    assert table.session.state is ConnectionState.FAILED
    assert table.ring.dropped == 1


def test_only_a_lost_connection_is_tried_for_ever() -> None:
    assert classify(Code.UNAVAILABLE) is AfterEnd.RETRY
    assert classify(Code.DEADLINE_EXCEEDED) is AfterEnd.RETRY
    assert classify(Code.INTERNAL) is AfterEnd.RETRY_FEW_TIMES
    assert classify(Code.OUT_OF_RANGE) is AfterEnd.RETRY_FEW_TIMES
