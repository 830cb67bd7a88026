"""What the server is told of the progress of a training."""

from __future__ import annotations

from firekeeper._progress import (
    MAX_HELD_SCALARS,
    MAX_SAMPLED_STEPS,
    MAX_SCALAR_NAMES,
    MAX_SCALARS,
    ProgressLog,
)


def test_a_step_is_told_once() -> None:
    log = ProgressLog()
    log.note_sampled(3, 1)
    log.note_sampled(3, 2)

    assert log.take(3).sampled_steps == [3]
    assert log.take(3).sampled_steps == []


def test_the_watermark_waits_for_the_snapshots_of_its_step() -> None:
    log = ProgressLog()
    log.note_done(0, 1)
    log.note_done(1, 2)

    assert not log.has_news(1)
    assert log.take(1).complete_through_step == -1
    assert log.take(2).complete_through_step == 0
    assert log.take(3).complete_through_step == 1


def test_the_watermark_never_shrinks() -> None:
    log = ProgressLog()
    log.note_done(5, 0)
    log.note_done(3, 0)

    assert log.take(1).complete_through_step == 5


def test_the_watermark_stays_below_sampled_steps_that_do_not_fit() -> None:
    log = ProgressLog()
    for step in range(MAX_SAMPLED_STEPS + 1):
        log.note_sampled(step, 1)
    log.note_done(MAX_SAMPLED_STEPS, 1)

    first, second = log.take(2), log.take(2)

    assert len(first.sampled_steps) == MAX_SAMPLED_STEPS
    assert first.complete_through_step == MAX_SAMPLED_STEPS - 1
    assert second.sampled_steps == [MAX_SAMPLED_STEPS]
    assert second.complete_through_step == MAX_SAMPLED_STEPS


def test_a_new_stream_is_told_again_what_may_be_lost() -> None:
    log = ProgressLog()
    log.note_sampled(1, 1)
    log.note_sampled(2, 2)
    log.note_done(2, 2)
    log.take(3)

    log.on_opened(1)

    assert log.take(2).sampled_steps == [2]
    assert log.take(3).complete_through_step == 2


def test_acked_steps_are_forgotten_and_the_watermark_is_not() -> None:
    log = ProgressLog()
    for step in range(3):
        log.note_sampled(step, step + 1)
        log.note_done(step, step + 1)
    log.take(4)

    log.on_acked(3)
    log.on_opened(0)

    report = log.take(4)
    assert report.sampled_steps == []
    assert report.complete_through_step == 2


def test_a_message_holds_a_bounded_number_of_scalars() -> None:
    log = ProgressLog()
    for step in range(MAX_SCALARS + 1):
        log.note_scalar("loss", step, 1.0)

    assert len(log.take(1).scalars) == MAX_SCALARS
    assert log.take(1).scalars == [("loss", MAX_SCALARS, 1.0)]


def test_the_oldest_scalar_is_displaced_and_said_to_be() -> None:
    log = ProgressLog()

    kept = [log.note_scalar("loss", step, 0.0) for step in range(MAX_HELD_SCALARS + 1)]

    assert kept[:-1] == [True] * MAX_HELD_SCALARS
    assert not kept[-1]
    assert log.take(1).scalars[0][1] == 1


def test_scalars_of_too_many_names_are_refused() -> None:
    log = ProgressLog()
    for number in range(MAX_SCALAR_NAMES):
        assert log.note_scalar(f"s{number}", 0, 0.0)

    assert not log.note_scalar("one-more", 0, 0.0)
    assert log.note_scalar("s0", 1, 0.0)


def test_the_newest_scalar_is_told_again_on_a_new_stream() -> None:
    log = ProgressLog()
    log.note_scalar("loss", 1, 0.5)
    log.note_scalar("loss", 2, 0.25)
    log.take(1)

    log.on_opened(0)

    assert log.take(1).scalars == [("loss", 2, 0.25)]
