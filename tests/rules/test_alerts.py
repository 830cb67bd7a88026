"""Every alert fires, stays quiet just below its threshold, and clears.

promtool evaluates the rules that are shipped, on series written out here.
"""

import dataclasses
import pathlib
import re
import subprocess
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "deploy" / "runbooks"
SEVERITIES = {"critical", "warning", "info"}

SERVER = 'instance="host:9464",job="firekeeper"'
RUN = f'{SERVER},run="digits",tenant="red"'
LAYER = f'{RUN},layer="fc1"'

Series = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Case:
    """Series of one sample a minute: with `fires` the alert is up at `minute`."""

    alert: str
    fires: Series
    below: Series  # what differs from `fires` where the alert stays quiet
    minute: int = 1


def alarm(name: str, value: int) -> Series:
    return {f'firekeeper_layer_alarm{{{LAYER},alarm="{name}"}}': f"{value}x60"}


def units(state: str, count: float) -> Series:
    return {f'firekeeper_layer_units_by_state{{{LAYER},state="{state}"}}': f"{count}x60"}


def finding(cause: str, severity: str = "warning") -> str:
    return f'firekeeper_run_finding{{{RUN},cause="{cause}",severity="{severity}"}}'


def snapshots(outcome: str, values: str) -> Series:
    return {f'firekeeper_run_snapshots_total{{{RUN},outcome="{outcome}"}}': values}


def dead_units(values: str) -> Series:
    return {f'firekeeper_layer_units_by_state{{{LAYER},state="dead"}}': values}


LAYER_UNITS: Series = {f"firekeeper_layer_units{{{LAYER}}}": "100x60"}
RUN_ENDED = f"firekeeper_run_ended{{{RUN}}}"
CONNECTED = f"firekeeper_run_sources_connected{{{RUN}}}"
# Ten of a hundred units are expected to be born dead: 0.05 + 3 standard errors
# of 0.1 are 0.14, so 24 units are the threshold.
EXPECTED_BORN_DEAD: Series = {f"firekeeper_layer_born_dead_units_expected{{{LAYER}}}": "10x60"}

RUN_CASES = [
    Case(
        "FirekeeperLayerDead",
        {**LAYER_UNITS, **units("dead", 50), **alarm("dead", 1)},
        alarm("dead", 0),
    ),
    Case(
        "FirekeeperLayerCollapsed",
        {**LAYER_UNITS, **units("dead", 100), **alarm("collapsed", 1)},
        alarm("collapsed", 0),
    ),
    Case(
        "FirekeeperLayerCollapseSuspected",
        {
            **LAYER_UNITS,
            **units("dead", 30),
            **units("silent", 70),
            **alarm("collapse_suspected", 1),
        },
        alarm("collapse_suspected", 0),
    ),
    Case(
        "FirekeeperLayerDying",
        {**LAYER_UNITS, **units("dead", 20), **alarm("dying", 1)},
        alarm("dying", 0),
    ),
    Case(
        "FirekeeperLayerDeathsGrowing",
        {**LAYER_UNITS, **dead_units("0x10 11x50")},
        dead_units("0x10 10x50"),
        minute=20,
    ),
    Case(
        # A second attempt begins at 0 again.
        "FirekeeperLayerDeathsGrowing",
        {**LAYER_UNITS, **dead_units("60x30 0x3 11x20")},
        dead_units("60x30 0x3 10x20"),
        minute=38,
    ),
    Case(
        "FirekeeperLayerDeadOnArrival",
        {**LAYER_UNITS, **units("born_dead", 25), **EXPECTED_BORN_DEAD},
        units("born_dead", 24),
    ),
    Case(
        "FirekeeperNonFinite",
        {**units("non_finite", 1), **alarm("non_finite", 1)},
        alarm("non_finite", 0),
    ),
    Case(
        "FirekeeperLayerStoppedReporting",
        {f"firekeeper_layer_windows_without_data{{{LAYER}}}": "3x60", **alarm("no_data", 1)},
        alarm("no_data", 0),
    ),
    Case(
        "FirekeeperLowCoverage",
        {
            f"firekeeper_layer_coverage_shards_received{{{LAYER}}}": "7x60",
            f"firekeeper_layer_coverage_shards_expected{{{LAYER}}}": "8x60",
        },
        {f"firekeeper_layer_coverage_shards_received{{{LAYER}}}": "8x60"},
        minute=12,
    ),
    Case(
        "FirekeeperVanishingGradient",
        {finding("vanishing_gradient"): "0.9x60"},
        {finding("vanishing_gradient"): "_x60"},
    ),
    Case(
        "FirekeeperExplodingGradient",
        {finding("exploding_gradient"): "0.9x60"},
        {finding("exploding_gradient"): "_x60"},
    ),
    Case(
        "FirekeeperNumericalFailure",
        {finding("numerical_failure", "critical"): "1x60"},
        {finding("numerical_failure", "critical"): "_x60", finding("unknown"): "1x60"},
    ),
    Case(
        "FirekeeperFindingRaised",
        {finding("learning_rate_too_high"): "0.9x60"},
        # Sparsity that is wanted is no fault.
        {finding("learning_rate_too_high"): "_x60", finding("intended_sparsity", "info"): "1x60"},
    ),
    Case(
        "FirekeeperRunStalled",
        {f"firekeeper_run_step{{{RUN}}}": "0+10x5 50x55", CONNECTED: "4x60"},
        {f"firekeeper_run_step{{{RUN}}}": "0+10x5 50x7 60x48"},
        minute=21,
    ),
    Case(
        # Nobody is there to make steps.
        "FirekeeperRunStalled",
        {f"firekeeper_run_step{{{RUN}}}": "50x60", CONNECTED: "4x60"},
        {CONNECTED: "0x60"},
        minute=21,
    ),
    Case(
        "FirekeeperRunStoppedReporting",
        {f"firekeeper_run_last_seen_timestamp_seconds{{{RUN}}}": "0x60"},
        {f"firekeeper_run_last_seen_timestamp_seconds{{{RUN}}}": "60x60"},
        minute=11,
    ),
    Case(
        "FirekeeperSnapshotsRefused",
        snapshots("rejected", "0x5 1x55"),
        snapshots("rejected", "0x60"),
        minute=7,
    ),
    Case(
        "FirekeeperSnapshotsDropped",
        {**snapshots("accepted", "0+90x60"), **snapshots("gap", "0+10x60")},
        {**snapshots("accepted", "0+96x60"), **snapshots("gap", "0+4x60")},
        minute=12,
    ),
]

SERVER_CASES = [
    Case(
        "FirekeeperServerDown",
        {f"up{{{SERVER}}}": "0x60"},
        {f"up{{{SERVER}}}": "0 1x59"},
        minute=2,
    ),
    Case(
        "FirekeeperStoreDegraded",
        {f"firekeeper_store_degraded{{{SERVER}}}": "1x60"},
        {f"firekeeper_store_degraded{{{SERVER}}}": "0x60"},
    ),
    Case(
        "FirekeeperStoreDamaged",
        {f"firekeeper_store_quarantined_rows{{{SERVER}}}": "1x60"},
        {f"firekeeper_store_quarantined_rows{{{SERVER}}}": "0x60"},
    ),
    Case(
        "FirekeeperServerOverloaded",
        {
            f"firekeeper_state_bytes{{{SERVER}}}": "91x60",
            f"firekeeper_state_limit_bytes{{{SERVER}}}": "100x60",
        },
        {f"firekeeper_state_bytes{{{SERVER}}}": "90x60"},
        minute=7,
    ),
    Case(
        "FirekeeperConnectionsRefused",
        {f"firekeeper_connections_refused_total{{{SERVER}}}": "0x5 1x55"},
        {f"firekeeper_connections_refused_total{{{SERVER}}}": "0x60"},
        minute=7,
    ),
    Case(
        "FirekeeperSeriesDropped",
        {f"firekeeper_series_dropped{{{SERVER}}}": "1x60"},
        {f"firekeeper_series_dropped{{{SERVER}}}": "0x60"},
        minute=7,
    ),
]

ALL_CASES = RUN_CASES + SERVER_CASES


def named(case: Case) -> str:
    return f"{case.alert}-{case.minute}"


def shipped_alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def cut(values: str, last: int) -> str:
    """The first samples of a series, 0 to `last`, and then none."""
    kept: list[str] = []
    left = last + 1
    for part in values.split():
        text, _, repeats = part.partition("x")
        count = min(left, int(repeats or 0) + 1)
        if count > 0:
            kept.append(f"{text}x{count - 1}")
        left -= count
    return " ".join([*kept, "stale"])


def is_firing(tmp_path: pathlib.Path, case: Case, series: Series, minute: int) -> bool:
    """Asks promtool, with the rules that are shipped."""
    test = {
        "rule_files": [str(RULES / name) for name in ("recording.yml", "alerts.yml")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values} for name, values in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)',
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": 0}],
                    }
                ],
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test))
    result = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    if result.returncode == 0:
        return False
    # The one thing that may differ is that the alert is up, once.
    assert re.search(r"got:\s*\{\} 1E\+00", result.stdout + result.stderr), result.stderr
    return True


def going_on(case: Case) -> Series:
    """The series with which the alert is up; those of a run have not ended."""
    return {**case.fires, RUN_ENDED: "0x60"} if case in RUN_CASES else case.fires


@pytest.mark.parametrize("case", ALL_CASES, ids=named)
def test_it_fires(case: Case, tmp_path: pathlib.Path) -> None:
    assert is_firing(tmp_path, case, going_on(case), case.minute)


@pytest.mark.parametrize("case", ALL_CASES, ids=named)
def test_it_is_quiet_just_below(case: Case, tmp_path: pathlib.Path) -> None:
    assert not is_firing(tmp_path, case, {**going_on(case), **case.below}, case.minute)


@pytest.mark.parametrize("case", RUN_CASES, ids=named)
def test_it_is_quiet_once_the_run_has_ended(case: Case, tmp_path: pathlib.Path) -> None:
    ended = {**case.fires, RUN_ENDED: f"0x{case.minute} 1x60"}

    assert not is_firing(tmp_path, case, ended, case.minute + 2)


@pytest.mark.parametrize("case", RUN_CASES, ids=named)
@pytest.mark.parametrize("after", [1, 4, 9])
def test_it_stays_quiet_when_an_ended_run_leaves(
    case: Case, after: int, tmp_path: pathlib.Path
) -> None:
    # It ends, and a minute later its series go; ranges still see their samples.
    last = case.minute + 1
    gone = {name: cut(values, last) for name, values in case.fires.items()}
    gone[RUN_ENDED] = f"0x{case.minute - 1} 1 stale"

    assert not is_firing(tmp_path, case, gone, last + after)


@pytest.mark.parametrize("case", ALL_CASES, ids=named)
def test_it_clears_when_the_server_is_gone(case: Case, tmp_path: pathlib.Path) -> None:
    gone = {name: cut(values, case.minute) for name, values in going_on(case).items()}

    assert not is_firing(tmp_path, case, gone, case.minute + 15)


def test_every_alert_has_its_tests() -> None:
    assert {case.alert for case in ALL_CASES} == set(shipped_alerts())


@pytest.mark.parametrize("name", sorted(shipped_alerts()))
def test_it_says_what_is_wrong_and_what_to_do(name: str) -> None:
    rule = shipped_alerts()[name]
    annotations = rule["annotations"]

    assert rule["labels"]["severity"] in SEVERITIES
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert "$value" in annotations["description"], "the value"
    assert re.search(
        r"threshold is|default|found above 0|it is a suspicion", annotations["description"].lower()
    )
    assert annotations["runbook_url"] == "{{ $externalLabels.firekeeper }}/runbooks/" + name
    assert (RUNBOOKS / f"{name}.md").is_file()


def test_every_runbook_has_its_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("Firekeeper*.md")} == set(shipped_alerts())
