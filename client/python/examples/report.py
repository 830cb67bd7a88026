"""Prints what Firekeeper says of a run that is over."""

from __future__ import annotations

import sys
from typing import Any, Dict, Optional

import firekeeper


def close_and_show(watcher: firekeeper.Watcher, run: str, endpoint: Optional[str]) -> None:
    """Ends the stream, then asks: what is said rests on all that was sent."""
    if not watcher.close():
        sys.exit(f"the server did not get all of it: {watcher.counters()}")
    show(run, endpoint)


def show(run: str, endpoint: Optional[str]) -> None:
    """Layers by state, findings with their first remedy, and what a remedy did."""
    with firekeeper.Client(endpoint) as client:
        for layer in client.layers(run):
            print(layer_line(layer))
        diagnosis = client.diagnosis(run)
    for finding in diagnosis["findings"]:
        print(f"{finding['cause'].replace('_', ' ')}: {finding['summary']}")
        for remedy in finding["remedies"][:1]:
            print(f"  do: {remedy['action']}")
    outcome = diagnosis["remedy_outcome"]
    if outcome is not None:
        before, after = outcome["before_dead"], outcome["after_dead"]
        verdict = outcome["verdict"].replace("_", " ")
        print(f"{before} units dead in {outcome['before_run_id']}, now {after}: {verdict}")


def layer_line(layer: Dict[str, Any]) -> str:
    """Units of a layer by state, commonest first."""
    counts = {each["state"]: each["units"] for each in layer["units_by_state"] if each["units"]}
    ranked = sorted(counts.items(), key=lambda entry: -entry[1])
    return f"{layer['layer']['name']:10} " + ", ".join(f"{n} {state}" for state, n in ranked)
