"""Which steps are worth observing: densely at first, when most units die, then evenly."""

from __future__ import annotations

_EARLY = frozenset([*range(11), 20, 50, 100])


def should_sample(step: int, every: int) -> bool:
    """Whether ``step`` is one of 0 to 10, 20, 50, 100 or a multiple of ``every``.

    Depends on the step alone, so that all processes of a run agree. ``every`` is a power of
    two: every window of the server then holds a sampled step, or is stretched until it does.
    """
    return step >= 0 and (step in _EARLY or step % every == 0)
