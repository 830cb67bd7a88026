"""How far apart observed steps are."""

from __future__ import annotations

import pytest
from firekeeper._sampler import LONGEST_DISTANCE, Sampler


def feed(sampler: Sampler, steps: int, sampled: float, plain: float) -> None:
    for step in range(steps):
        sampler.took(step, sampled if sampler.includes(step) else plain)


def test_the_distance_grows_until_the_budget_holds() -> None:
    sampler = Sampler(None, 0.01, adaptive=True)

    # A sampled step takes half as much again: 0.5 / 64 is below 1 %.
    feed(sampler, 2000, 1.5, 1.0)

    assert sampler.every == 64
    overhead = sampler.overhead()
    assert overhead is not None and overhead == pytest.approx(0.5 / 64)


def test_the_distance_stays_where_observing_is_cheap() -> None:
    sampler = Sampler(None, 0.01, adaptive=True)

    feed(sampler, 2000, 1.1, 1.0)

    assert sampler.every == 16


def test_parameters_are_read_less_often_than_activations() -> None:
    sampler = Sampler(1, 0.01, adaptive=False)

    steps = [step for step in range(70) if sampler.includes_parameters(step)]

    assert steps == [*range(11), 16, 20, 32, 48, 50, 64]
    assert all(sampler.includes(step) for step in range(70))


def test_parameters_are_read_at_observed_steps_only() -> None:
    sampler = Sampler(32, 0.01, adaptive=False, parameters_every=1)

    assert not sampler.includes_parameters(33)
    assert sampler.includes_parameters(64)


@pytest.mark.parametrize("distance", [0, 3, 256, -1])
def test_a_distance_of_parameters_is_a_power_of_two(distance: int) -> None:
    with pytest.raises(ValueError, match=f"parameters_every: got {distance}; allowed are"):
        Sampler(1, 0.01, adaptive=False, parameters_every=distance)


def test_a_window_is_never_without_a_sample() -> None:
    sampler = Sampler(None, 0.001, adaptive=True)

    feed(sampler, 5000, 100.0, 1.0)

    assert sampler.every == LONGEST_DISTANCE


@pytest.mark.parametrize("every, adaptive", [(32, True), (None, False)])
def test_what_the_user_or_other_ranks_rely_on_does_not_change(every: int, adaptive: bool) -> None:
    sampler = Sampler(every, 0.01, adaptive=adaptive)
    before = sampler.every

    feed(sampler, 2000, 100.0, 1.0)

    assert sampler.every == before


@pytest.mark.parametrize("every", [0, 3, 256, -1])
def test_other_distances_are_refused(every: int) -> None:
    with pytest.raises(ValueError, match="every"):
        Sampler(every, 0.01, adaptive=True)
