"""Prints what Firekeeper says of a run that is over."""

from __future__ import annotations

import sys
from typing import Any, Dict, Optional, Union

import firekeeper


def close_and_show(
    stream: Union[firekeeper.Watcher, firekeeper.Stream], run: str, endpoint: Optional[str]
) -> None:
    """Ends the stream, then asks: what is said rests on all that was sent."""
    if not stream.close(30.0):
        sys.exit(f"the server did not get all of it: {stream.counters()}")
    show(run, endpoint)


def show(run: str, endpoint: Optional[str]) -> None:
    """Layers by state, findings with their first remedy, and what a remedy did."""
    with firekeeper.Client(endpoint) as client:
        layers = client.layers(run)
        diagnosis = client.diagnosis(run)
    width = max(len(layer["layer"]["name"]) for layer in layers)
    for layer in layers:
        print(f"{layer['layer']['name']:{width}}  {states_line(layer)}")
    show_findings(diagnosis)
    outcome = diagnosis["remedy_outcome"]
    if outcome is not None:
        before, after = outcome["before_dead"], outcome["after_dead"]
        verdict = outcome["verdict"].replace("_", " ")
        print(f"{before} units dead in {outcome['before_run_id']}, now {after}: {verdict}")


def show_findings(diagnosis: Dict[str, Any]) -> None:
    """Every cause, what speaks for it, and the first remedy."""
    for finding in diagnosis["findings"]:
        print(f"{finding['cause'].replace('_', ' ')}: {finding['summary']}")
        for remedy in finding["remedies"][:1]:
            print(f"  do: {remedy['action']}")


def states_line(layer: Dict[str, Any]) -> str:
    """Units of a layer by state, commonest first."""
    counts = {each["state"]: each["units"] for each in layer["units_by_state"] if each["units"]}
    ranked = sorted(counts.items(), key=lambda entry: -entry[1])
    return ", ".join(f"{count} {state}" for state, count in ranked)
