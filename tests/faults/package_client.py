"""What watcher_client.cc is, through the Python package: same arguments, commands and lines."""

from __future__ import annotations

import sys
import threading
import time

import firekeeper
import numpy as np

LAYER = "fc.relu"
UNITS = 4
# As far as "stream" goes ahead of the acks.
AHEAD = 8
POLL_SECONDS = 0.001
GOODBYE_SECONDS = 60.0


class Output:
    """Lines of two threads, whole and at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        with self._lock:
            print(line, flush=True)


def line_of(counters: firekeeper.Counters) -> str:
    values = (
        counters.enqueued,
        counters.acked,
        counters.rejected,
        counters.dropped,
        counters.buffered,
        counters.invalid + counters.errors,
        counters.reconnects,
    )
    return "counters " + " ".join(map(str, values))


def report(stop: threading.Event, stream: firekeeper.Stream, output: Output) -> None:
    """Says every change that it gets to see."""
    said = ""
    while not stop.is_set():
        line = line_of(stream.counters())
        if line != said:
            output.say(line)
            said = line
        time.sleep(POLL_SECONDS)


class Rank:
    """One source; gives what firings_of() of oracle.py says."""

    def __init__(
        self, stream: firekeeper.Stream, source: int, resume_step: int, output: Output
    ) -> None:
        self._stream, self._source, self._output = stream, source, output
        self._resume_step = resume_step
        self._given = 0

    def give_until(self, count: int, in_step_with_acks: bool) -> None:
        while self._given < count:
            while in_step_with_acks and self._stream.counters().buffered >= AHEAD:
                time.sleep(POLL_SECONDS)
            self._given += 1
            self._output.say(f"sending {self._given}")
            self._give(self._resume_step + self._given - 1)

    def _give(self, step: int) -> None:
        observations = 3**self._source
        firings = (0, observations, (step * 7 + self._source) % (observations + 1), step % 2)
        rows = np.arange(observations)[:, np.newaxis]
        values = (rows < np.array(firings)).astype(np.float32)
        self._stream.observe(LAYER, firekeeper.Signal.ACTIVATION, step, values)
        self._stream.step_done(step)


def main() -> None:
    """The command line."""
    endpoint, run, source, sources, token, resume_step, ring_bytes = sys.argv[1:]
    stream = firekeeper.Stream(
        run=run,
        layers=[firekeeper.LayerSpec(LAYER, UNITS)],
        endpoint=endpoint,
        source=int(source),
        source_count=int(sources),
        launch_token=token,
        resume_step=int(resume_step),
        ring_bytes=int(ring_bytes),
        # A server that comes back is soon found.
        backoff_shortest_seconds=0.01,
        backoff_longest_seconds=0.2,
    )
    output = Output()
    stop = threading.Event()
    reporter = threading.Thread(target=report, args=(stop, stream, output), daemon=True)
    reporter.start()
    rank = Rank(stream, int(source), int(resume_step), output)
    for line in sys.stdin:
        command, *count = line.split()
        if command == "close":
            break
        rank.give_until(int(count[0]), command == "stream")
    clean = stream.close(GOODBYE_SECONDS)
    stop.set()
    reporter.join()
    output.say(line_of(stream.counters()))
    output.say(f"closed {int(clean)}")


if __name__ == "__main__":
    main()
