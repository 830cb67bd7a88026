"""The runner of tests/experiments/run: its page from made-up results, and a real run."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import campaign
import pytest
import report
from report import Result
from scenarios import Run, Scenario

SICK = Scenario("sick", ("CAUSE_NEGATIVE_BIAS_INIT",), "", "", True, "synthetic")
MENDED = Scenario("sick/zero-bias", (), "sick", "heals", True, "synthetic")
PAIR = Scenario(
    "pair",
    ("CAUSE_NEGATIVE_BIAS_INIT", "CAUSE_LEARNING_RATE_TOO_HIGH"),
    "",
    "",
    True,
    "synthetic",
)
HEALTHY = Scenario("healthy/one", (), "", "", True, "synthetic")


def result(scenario: Scenario, findings: list[dict[str, Any]] | None, **values: Any) -> Result:
    """A training of seed 0 that measured what a healthy one does, but for `values`."""
    usual = {
        "scenario": scenario.name,
        "seed": 0,
        "gated_start": 0.0,
        "gated_end": 0.0,
        "train_accuracy": 0.9,
        "diverged": False,
    }
    return Result(Run(scenario.name, 0, {**usual, **values}), findings)


def finding(cause: str, score: float, **more: object) -> dict[str, Any]:
    """As firekeeper diagnose --json gives it."""
    return {"cause": f"CAUSE_{cause}", "score": score, **more}


def test_the_surest_fault_is_the_verdict_and_what_is_no_fault_is_none() -> None:
    sure = [finding("CONVERGED", 1.0), finding("UNKNOWN", 0.2), finding("VANISHING_GRADIENT", 0.7)]
    told = [finding("VANISHING_GRADIENT", 0.7, is_fault=False)]

    assert result(SICK, sure).verdict() == "vanishing gradient"
    assert result(SICK, sure).accused() == ["vanishing gradient", "unknown"]
    assert result(SICK, told).verdict() == report.NOTHING
    assert result(SICK, None).verdict() == report.NOT_ASKED


def test_the_page_shows_cause_remedy_pair_and_false_alarm() -> None:
    bias, rate = finding("NEGATIVE_BIAS_INIT", 0.9), finding("LEARNING_RATE_TOO_HIGH", 0.8)
    page = report.page(
        [SICK, MENDED, PAIR, HEALTHY],
        [
            result(SICK, [bias], gated_start=0.5, gated_end=0.5, train_accuracy=0.28),
            result(MENDED, []),
            result(PAIR, [rate, bias]),
            result(HEALTHY, [rate]),
        ],
    )

    assert "| **sick** (negative bias init) | 1 | 0.500 → 0.500 | negative bias init 1 |" in page
    assert "| 0.500 → 0.000 | none 1 | zero-bias: heals | 0.280 → 0.900 |" in page
    assert "| pair | 1 | not trained alone | 1 | 1 | negative bias init 1 |" in page
    assert "| all | 1 of 1 (100.0 %) | 0 of 1 (0.0 %) | 1 of 1 (100.0 %) | - | 1 of 1" in page
    assert "1 of 1 remedies have the effect that was expected" in page
    assert "1 of 1 healthy runs were accused" in page
    assert "| healthy/one:0 | learning rate too high |" in page


def test_a_mild_run_may_be_called_healthy_and_no_other_may() -> None:
    mild = result(SICK, [], gated_end=0.05, train_accuracy=0.6)
    sick = result(SICK, [], gated_end=0.5, train_accuracy=0.6)
    wrong = result(SICK, [finding("VANISHING_GRADIENT", 0.7)], gated_end=0.05)

    assert mild.is_right(SICK)
    assert not sick.is_right(SICK)
    assert not wrong.is_right(SICK)
    assert "| sick:0 | negative bias init | none | 0.500 | 0.600 |" in report.page([SICK], [sick])


def test_nan_is_the_verdict_only_where_it_stands_alone() -> None:
    nan, bias = finding("NUMERICAL_FAILURE", 1.0), finding("NEGATIVE_BIAS_INIT", 0.5)

    assert result(SICK, [nan, bias]).verdict() == "negative bias init"
    assert result(SICK, [nan]).verdict() == "numerical failure"


@pytest.mark.parametrize(("gated", "acts"), [(0.5, "no"), (0.8, "yes")])
def test_two_faults_act_where_the_pair_differs_from_each_alone(gated: float, acts: str) -> None:
    first = Scenario("a", ("CAUSE_NEGATIVE_BIAS_INIT",), "", "", True, "synthetic")
    second = Scenario("b", ("CAUSE_LEARNING_RATE_TOO_HIGH",), "", "", True, "synthetic")
    pair = Scenario("pair/a/b", first.causes + second.causes, "", "", True, "synthetic")
    page = report.page(
        [first, second, pair],
        [
            result(first, [], gated_end=0.5),
            result(second, [], gated_end=0.1),
            result(pair, [], gated_end=gated),
        ],
    )

    assert f"| pair/a/b | 1 | {acts} | 0 | 0 | none 1 |" in page


def test_a_remedy_that_does_otherwise_than_expected_is_marked() -> None:
    page = report.page(
        [SICK, MENDED],
        [
            result(SICK, [], gated_end=0.5, train_accuracy=0.28),
            result(MENDED, [], gated_end=0.5, train_accuracy=0.28),
        ],
    )

    assert "zero-bias: fails (expected: heals)" in page


def test_a_result_is_kept_as_it_was(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "results.jsonl"
    kept = result(SICK, [finding("UNKNOWN", 0.5)])
    campaign.Store(path).add(kept)

    assert campaign.Store(path).results == {("sick", 0): kept}


def test_a_campaign_trains_once_and_goes_on_from_what_it_has(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIREKEEPER_BIN", os.environ["FIREKEEPER_BIN"])
    arguments = [
        "--match=healthy/w32x1/sgd",
        "--seeds=1",
        f"--bin={os.environ['FIREKEEPER_BIN']}",
        f"--results={tmp_path / 'results.jsonl'}",
        f"--page={tmp_path / 'page.md'}",
    ]

    assert campaign.main(arguments) == 0
    assert "2 of 2 runs" in capsys.readouterr().err
    assert campaign.main(arguments) == 0
    assert " of " not in capsys.readouterr().err
    assert "healthy runs were accused" in (tmp_path / "page.md").read_text()
