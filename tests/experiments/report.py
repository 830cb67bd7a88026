"""The page that a campaign ends with: what was wrong, what was said, what helped."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import scenarios

# Findings that say that nothing is at fault, where a server does not say so itself.
NO_FAULT = ("CAUSE_INTENDED_SPARSITY", "CAUSE_CONVERGED")
NOTHING = "none"
NOT_ASKED = "no answer"


@dataclasses.dataclass(frozen=True)
class Result:
    """A training and the findings of it; None: the server gave no answer."""

    run: scenarios.Run
    findings: list[dict[str, Any]] | None

    def accused(self) -> list[str]:
        """Causes that were found at fault, the surest first."""
        faults = [f for f in self.findings or [] if f.get("is_fault", f["cause"] not in NO_FAULT)]
        faults.sort(key=lambda fault: float(fault.get("score", 0.0)), reverse=True)
        return [short(fault["cause"]) for fault in faults]

    def verdict(self) -> str:
        """The first of them."""
        if self.findings is None:
            return NOT_ASKED
        accused = self.accused()
        return accused[0] if accused else NOTHING

    def to_json(self) -> dict[str, Any]:
        """For one line of a file."""
        return {"run": self.run.values, "findings": self.findings}

    @staticmethod
    def from_json(row: dict[str, Any]) -> "Result":
        """The result that to_json was called on."""
        values = row["run"]
        return Result(scenarios.Run(values["scenario"], values["seed"], values), row["findings"])


def short(cause: str) -> str:
    """CAUSE_NEGATIVE_BIAS_INIT as "negative bias init"."""
    return cause.removeprefix("CAUSE_").replace("_", " ").lower()


def arrow(before: float, after: float) -> str:
    """Two figures and what happened between."""
    return f"{before:.3f} → {after:.3f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def tally(verdicts: Iterable[str]) -> str:
    """ "learning rate too high 3, none 1"."""
    counted = collections.Counter(verdicts)
    return ", ".join(f"{name} {count}" for name, count in counted.most_common())


class Page:
    """The tables, from scenarios and their results."""

    def __init__(self, table_: Sequence[scenarios.Scenario], results: Sequence[Result]) -> None:
        self.scenarios = table_
        self.by_name: dict[str, list[Result]] = collections.defaultdict(list)
        for result in results:
            self.by_name[result.run.scenario].append(result)

    def runs(self, name: str) -> list[scenarios.Run]:
        """The trainings of a scenario."""
        return [result.run for result in self.by_name[name]]

    def trained(self, causes: int) -> list[scenarios.Scenario]:
        """Scenarios with so many causes, trained at least once."""
        return [s for s in self.scenarios if len(s.causes) == causes and self.by_name[s.name]]

    def single_causes(self) -> str:
        """A row for each cause, and one for each remedy of it."""
        rows: list[Sequence[object]] = []
        for scenario in self.trained(1):
            runs = self.runs(scenario.name)
            rows.append(
                [
                    f"**{scenario.name}** ({short(scenario.causes[0])})",
                    len(runs),
                    arrow(scenarios.mean(runs, "gated_start"), scenarios.mean(runs, "gated_end")),
                    tally(result.verdict() for result in self.by_name[scenario.name]),
                    "",
                    f"{scenarios.mean(runs, 'train_accuracy'):.3f}",
                ]
            )
            rows += [
                self.remedy_row(remedy, runs)
                for remedy in self.scenarios
                if remedy.remedy_of == scenario.name and self.by_name[remedy.name]
            ]
        header = ["cause", "seeds", "dead before → after", "diagnosed as", "remedy",
                  "accuracy before → after"]  # fmt: skip
        return table(header, rows)

    def remedy_row(
        self, remedy: scenarios.Scenario, before: Sequence[scenarios.Run]
    ) -> Sequence[object]:
        """What a remedy made of the runs before it, at the end of training."""
        after = self.runs(remedy.name)
        found = scenarios.effect(before, after)
        expected = "" if found == remedy.effect else f" (expected: {remedy.effect})"
        return [
            "",
            len(after),
            arrow(scenarios.mean(before, "gated_end"), scenarios.mean(after, "gated_end")),
            tally(result.verdict() for result in self.by_name[remedy.name]),
            f"{remedy.name.rsplit('/', 1)[1]}: {found}{expected}",
            arrow(
                scenarios.mean(before, "train_accuracy"), scenarios.mean(after, "train_accuracy")
            ),
        ]

    def confusion(self) -> str:
        """What each cause was taken for, over runs."""
        counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        for scenario in self.scenarios:
            if len(scenario.causes) == 1 or scenario.is_healthy:
                cause = short(scenario.causes[0]) if scenario.causes else "healthy"
                counts[cause].update(r.verdict() for r in self.by_name[scenario.name])
        columns = sorted({verdict for row in counts.values() for verdict in row})
        rows = [
            [cause, *(row[column] or "" for column in columns)]
            for cause, row in counts.items()
            if row
        ]
        return table(["true \\ said", *columns], rows)

    def pairs(self) -> str:
        """Whether the first finding, and whether all findings, name the two causes."""
        rows: list[Sequence[object]] = []
        for scenario in self.trained(2):
            results = self.by_name[scenario.name]
            true = {short(cause) for cause in scenario.causes}
            rows.append(
                [
                    scenario.name,
                    len(results),
                    sum(result.verdict() in true for result in results),
                    sum(true <= set(result.accused()) for result in results),
                    tally(result.verdict() for result in results),
                ]
            )
        header = ["two causes", "seeds", "first is one of them", "both are named", "said first"]
        return table(header, rows)

    def false_alarms(self) -> str:
        """Healthy runs that were accused of something."""
        healthy = [r for s in self.scenarios if s.is_healthy for r in self.by_name[s.name]]
        asked = [result for result in healthy if result.findings is not None]
        alarmed = [result for result in asked if result.accused()]
        text = f"{len(alarmed)} of {len(asked)} healthy runs were accused of something."
        if len(asked) < len(healthy):
            text += f" {len(healthy) - len(asked)} got no answer."
        rows = [[f"{r.run.scenario}:{r.run.seed}", ", ".join(r.accused())] for r in alarmed]
        return f"{text}\n\n{table(['run', 'accused of'], rows)}" if rows else text


def page(table_: Sequence[scenarios.Scenario], results: Sequence[Result]) -> str:
    """The whole page."""
    tables = Page(table_, results)
    seeds = sorted({result.run.seed for result in results})
    return "\n".join(
        [
            "# Experiments",
            "",
            "Generated by `tests/experiments/run`; do not edit.",
            "",
            f"{len(results)} runs, seeds {', '.join(map(str, seeds))}. *Dead* is the share of "
            "hidden units whose gate is closed on every training example; in the row of a "
            "cause before and after its training, in the row of a remedy at the end of training "
            "without and with it. *Accuracy* is that on the training examples.",
            "",
            "## Causes and remedies",
            "",
            tables.single_causes(),
            "",
            "## Confusion",
            "",
            tables.confusion(),
            "",
            "## Two causes at once",
            "",
            tables.pairs(),
            "",
            "## False alarms",
            "",
            tables.false_alarms(),
            "",
        ]
    )
