"""What went wrong in this process: counted, and told once."""

from __future__ import annotations

import logging
import threading

_logger = logging.getLogger("firekeeper")


class Tally:
    """Counts what is not told again.

    Attributes:
        invalid: observations refused before they were enqueued.
        errors: exceptions that were caught.
        scalars_dropped: scalars that were refused, displaced or too late.
    """

    def __init__(self) -> None:
        # Reentrant: a signal handler may interrupt any of these and call it again.
        self._lock = threading.RLock()
        self.invalid = 0
        self.errors = 0
        self.scalars_dropped = 0

    def count_invalid(self, why: str) -> None:
        """An observation is refused; the first is told."""
        with self._lock:
            self.invalid += 1
            first = self.invalid == 1
        if first:
            _logger.warning("an observation is invalid: %s; further ones are only counted", why)

    def count_scalar_dropped(self) -> None:
        """A scalar is lost."""
        with self._lock:
            self.scalars_dropped += 1

    def count_error(self, error: BaseException) -> None:
        """An exception was caught; the first is told."""
        with self._lock:
            self.errors += 1
            first = self.errors == 1
        if first:
            _logger.warning(
                "an error was caught: %s: %s; further ones are only counted, training goes on",
                type(error).__name__,
                error,
            )
