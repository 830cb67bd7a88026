#!/usr/bin/python3
"""How long a scrape of 100,000 series holds up ingest.

A stream sends a snapshot whenever the last one is acked, and notes how long each ack took.
/metrics is scraped at intervals; before every scrape the stream is watched for as long without
one. The stall of a scrape is the longest ack that overlaps it less the longest of its quiet
time: what the processor, its other tenants and the stream itself do is in both. Whoever
scrapes has the lowest priority: with as many cores as the server has, it would be measured.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import List, NamedTuple, Tuple

sys.dont_write_bytecode = True

import workshop
import measures
import processes
import streams

# 35 series a layer, 15 a run.
RUNS = 100
SHAPE = streams.Shape(layers=28, units=8)
LEAST_SERIES = 98_000
# Of a sweep of the server, which makes what is scraped.
SETTLE_SECONDS = 3.0
LOWEST_PRIORITY = 19


class Ack(NamedTuple):
    """Times in microseconds of the monotonic clock, which all processes share."""

    sent: int
    came: int


class Span(NamedTuple):
    """A time that is looked at."""

    begin: int
    end: int


def now() -> int:
    return time.monotonic_ns() // 1000


def scrape(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as response:
        text: bytes = response.read()
    return text


def spans(url: str, count: int) -> List[Tuple[Span, Span]]:
    """(quiet, scraped) so many times."""
    scrape(url)
    found = []
    length = 0.3
    for _ in range(count):
        quiet = now()
        time.sleep(length)
        begin = now()
        scrape(url)
        end = now()
        length = (end - begin) / 1e6
        found.append((Span(quiet, begin), Span(begin, end)))
        # What the scrape leaves behind is not of the next quiet time.
        time.sleep(0.05)
    return found


def longest(acks: List[Ack], span: Span) -> float:
    """Milliseconds of the longest ack that was waited for in it."""
    within = [ack.came - ack.sent for ack in acks if ack.came > span.begin and ack.sent < span.end]
    return max(within) / 1e3


def pulse(endpoint: str, seconds: int) -> "subprocess.Popen[str]":
    arguments = [str(processes.binary("send_bench")), "pulse", endpoint, "pulse", str(seconds)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def read_acks(told: str) -> List[Ack]:
    pairs = (line.split() for line in told.splitlines())
    return [Ack(int(came) - int(took), int(came)) for came, took in pairs]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with processes.running(pathlib.Path(folder), "--series-budget=1000000") as server:
            streams.report_runs(server.endpoint, [f"run-{i}" for i in range(RUNS)], SHAPE)
            time.sleep(SETTLE_SECONDS)
            text = scrape(server.metrics_url)
            series = sum(not line.startswith(b"#") for line in text.splitlines())
            assert series >= LEAST_SERIES, f"only {series} series"
            sender = pulse(server.endpoint, arguments.seconds)
            os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)
            taken = workshop.seconds_of(lambda: scrape(server.metrics_url))
            pairs = spans(
                server.metrics_url, int((arguments.seconds - 2) / (2 * taken + 0.05) * 0.8)
            )
            acks = read_acks(sender.communicate()[0])
    pairs = [pair for pair in pairs if pair[1].end < acks[-1].came]
    quiet = [longest(acks, pair[0]) for pair in pairs]
    scraped = [longest(acks, pair[1]) for pair in pairs]
    usual = statistics.median(ack.came - ack.sent for ack in acks) / 1e3
    print(
        f"{series} series, {len(text) / 1e6:.1f} MB, {len(pairs)} scrapes of "
        f"{statistics.median(pair[1].end - pair[1].begin for pair in pairs) / 1e3:.0f} ms; "
        f"{len(acks)} acks of {usual:.3f} ms"
    )
    for name, values in (("quiet", quiet), ("scraped", scraped)):
        print(
            f"longest ack, {name:8} median {statistics.median(values):6.2f}  "
            f"p90 {workshop.percentile(values, 0.9):6.2f}  worst {max(values):6.2f} ms"
        )
    measures.print_measure("scrape_stall_ms", [b - a for a, b in zip(quiet, scraped)])


if __name__ == "__main__":
    main()
