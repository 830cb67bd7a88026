"""The ring: numbers, drops and what is told of them."""

from __future__ import annotations

import random
from typing import Any, Optional

from firekeeper._ring import SLOT_BYTES, LostRange, Ring, Slot, SnapshotKey
from firekeeper._vocabulary import Phase, Signal


class Content:
    """Stands for a snapshot of any form."""

    samples = 1
    approximate_bytes = 0

    def __init__(self, wire_bytes: int = 0) -> None:
        self.wire_bytes = wire_bytes

    def resolve(self) -> Any:
        raise NotImplementedError


def slot(step: int, size: int = 100, samples: int = 10) -> Slot:
    key = SnapshotKey("fc", Signal.ACTIVATION, Phase.TRAIN, step, 0)
    return Slot(key, Content(), samples, size)


def ring_of(count: int, capacity: int = 1 << 20) -> Ring:
    """Numbers 1 to ``count``, of steps 10, 11, …"""
    ring = Ring(capacity)
    for index in range(count):
        ring.push(slot(10 + index))
    return ring


def content_of(ring: Ring, seq: int) -> Optional[object]:
    found = ring.find(seq)
    return None if found is None else found.content


def check_invariant(ring: Ring) -> None:
    assert ring.enqueued == ring.acked + ring.rejected + ring.dropped + ring.buffered
    held = [ring.find(seq) for seq in range(ring.first_held, ring.next_seq)]
    assert ring.buffered == sum(each is not None and each.content is not None for each in held)
    assert ring.buffered_bytes == sum(each.memory_bytes for each in held if each is not None)


def test_numbers_start_at_one_and_have_no_holes() -> None:
    ring = Ring(1 << 20)

    assert [ring.push(slot(0)) for _ in range(3)] == [1, 2, 3]
    assert (ring.first_held, ring.next_seq) == (1, 4)


def test_an_ack_frees_everything_up_to_it() -> None:
    ring = ring_of(4)

    ring.ack_through(3)

    assert (ring.acked, ring.buffered, ring.first_held) == (3, 1, 4)
    assert ring.buffered_bytes == SLOT_BYTES + 100
    check_invariant(ring)


def test_an_ack_of_numbers_never_given_is_cut() -> None:
    ring = ring_of(2)

    ring.ack_through(99)

    assert (ring.acked, ring.next_seq) == (2, 3)


def test_a_full_ring_drops_the_oldest() -> None:
    ring = ring_of(5, capacity=3 * (SLOT_BYTES + 100))

    assert (ring.dropped, ring.buffered, ring.first_held) == (2, 3, 3)
    check_invariant(ring)


def test_what_is_larger_than_the_ring_is_dropped_alone() -> None:
    ring = ring_of(2, capacity=2000)

    seq = ring.push(slot(12, size=5000))

    assert content_of(ring, seq) is None
    assert (ring.dropped, ring.buffered) == (1, 2)
    check_invariant(ring)


def test_a_slot_without_content_takes_a_number_and_counts_as_dropped() -> None:
    ring = ring_of(1)

    ring.push(Slot(SnapshotKey("fc", Signal.BIAS, Phase.TRAIN, 11, 0), None, 7, 0))

    assert ring.lost_from(2) == LostRange(2, 2, 11, 11, 7)
    check_invariant(ring)


def test_a_refused_snapshot_is_counted_once() -> None:
    ring = ring_of(2)

    assert ring.reject(2)
    assert not ring.reject(2)
    assert not ring.reject(9)

    assert ring.rejected == 1
    check_invariant(ring)


def test_a_refused_snapshot_is_not_counted_as_acked_later() -> None:
    ring = ring_of(2)
    ring.reject(1)

    ring.ack_through(2)

    assert (ring.acked, ring.rejected) == (1, 1)


def test_the_wire_form_counts_as_large_as_it_is() -> None:
    ring = ring_of(2, capacity=2 * (SLOT_BYTES + 100))

    assert ring.settle(2, Content(wire_bytes=150))

    assert ring.first_held == 2, "the oldest made room"
    assert ring.buffered_bytes == SLOT_BYTES + 150
    check_invariant(ring)


def test_what_was_dropped_meanwhile_is_not_settled() -> None:
    ring = ring_of(2)
    ring.drop(1)

    assert not ring.settle(1, Content(wire_bytes=50))
    check_invariant(ring)


def test_a_lost_range_says_what_it_stood_for() -> None:
    ring = ring_of(5)
    for seq in (2, 3):
        ring.drop(seq)

    assert ring.lost_from(1) is None
    assert ring.lost_from(2) == LostRange(2, 3, 10 + 1, 10 + 2, 20)
    assert ring.lost_from(6) is None


def test_a_lost_range_joins_what_fell_off_and_what_was_given_up() -> None:
    ring = ring_of(4, capacity=3 * (SLOT_BYTES + 100))
    ring.drop(2)

    assert ring.lost_from(1) == LostRange(1, 2, 10, 11, 20)


def test_a_server_that_forgot_is_told_of_what_it_once_acked() -> None:
    ring = ring_of(3)
    ring.ack_through(2)

    assert ring.lost_from(1) == LostRange(1, 2, 10, 11, 20)


def test_the_invariant_holds_whatever_happens() -> None:
    chance = random.Random(1)
    ring = Ring(20 * (SLOT_BYTES + 100))

    for step in range(3000):
        some = chance.randint(max(1, ring.first_held - 2), ring.next_seq + 2)
        action = chance.choice(("push", "push", "push", "ack", "reject", "drop", "settle"))
        if action == "push":
            ring.push(slot(step, size=chance.randint(0, 300)))
        elif action == "ack":
            ring.ack_through(some)
        elif action == "reject":
            ring.reject(some)
        elif action == "drop":
            ring.drop(some)
        else:
            ring.settle(some, Content(wire_bytes=chance.randint(0, 300)))
        check_invariant(ring)
    ring.drop_all()
    check_invariant(ring)
    assert ring.buffered_bytes == 0
