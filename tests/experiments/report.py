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
# What a fault may end in: beside a cause it is no cause of its own.
OUTCOME = "numerical failure"
# Thresholds were chosen on seeds below this one.
FIRST_UNSEEN_SEED = 1


@dataclasses.dataclass(frozen=True)
class Result:
    """A training and the findings of it; None: the server gave no answer."""

    run: scenarios.Run
    findings: list[dict[str, Any]] | None

    def is_answered(self) -> bool:
        """The server gave a diagnosis."""
        return self.findings is not None

    def accused(self) -> list[str]:
        """Causes that were found at fault, the surest first."""
        faults = [f for f in self.findings or [] if f.get("is_fault", f["cause"] not in NO_FAULT)]
        faults.sort(key=lambda fault: float(fault.get("score", 0.0)), reverse=True)
        return [short(fault["cause"]) for fault in faults]

    def verdict(self) -> str:
        """The first of them, NaN only where it stands alone."""
        if self.findings is None:
            return NOT_ASKED
        accused = self.accused()
        causes = [cause for cause in accused if cause != OUTCOME]
        return (causes or accused or [NOTHING])[0]

    def is_right(self, scenario: scenarios.Scenario) -> bool:
        """The cause of the scenario; of a mild run no finding is right too."""
        verdict = self.verdict()
        return verdict == short(scenario.causes[0]) or (
            verdict == NOTHING and not self.run.is_sick()
        )

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


def share(part: int, whole: int) -> str:
    """ "19 of 20 (95.0 %)"."""
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "-"


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

    def remedies(self) -> list[tuple[scenarios.Scenario, bool]]:
        """Each remedy that was tried, and whether it did as expected."""
        tried = [s for s in self.scenarios if s.remedy_of and self.by_name[s.name]]
        return [
            (s, scenarios.effect(self.runs(s.remedy_of), self.runs(s.name)) == s.effect)
            for s in tried
            if self.by_name[s.remedy_of]
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

    def alone(self, pair: scenarios.Scenario) -> list[scenarios.Scenario]:
        """The two faults of a pair as scenarios of their own, where they were trained."""
        prefix, _, names = pair.name.rpartition("pair/")
        wanted = [prefix + name for name in names.split("/")]
        return [s for name in wanted for s in self.scenarios if s.name == name and self.runs(name)]

    def both_act(self, pair: scenarios.Scenario) -> bool:
        """Whether each fault changes what the other alone leads to."""
        alone = self.alone(pair)
        runs = self.runs(pair.name)
        return len(alone) == 2 and all(scenarios.differs(self.runs(s.name), runs) for s in alone)

    def acting(self, pair: scenarios.Scenario) -> str:
        """both_act in words."""
        if len(self.alone(pair)) < 2:
            return "not trained alone"
        return "yes" if self.both_act(pair) else "no"

    @staticmethod
    def names_both(pair: scenarios.Scenario, result: Result) -> bool:
        """Both causes are among the faults."""
        return {short(cause) for cause in pair.causes} <= set(result.accused())

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
                    self.acting(scenario),
                    sum(result.verdict() in true for result in results),
                    sum(self.names_both(scenario, result) for result in results),
                    tally(result.verdict() for result in results),
                ]
            )
        header = ["two causes", "seeds", "both act", "first is one of them", "both are named",
                  "said first"]  # fmt: skip
        return table(header, rows)

    def summary(self) -> str:
        """The shares that the project is judged by, over all runs and over unseen ones."""
        seen = {s.name for s in self.scenarios if not s.held_out}
        everything = [r for results in self.by_name.values() for r in results]
        groups = {
            "all": everything,
            f"seeds from {FIRST_UNSEEN_SEED} on": [
                r for r in everything if r.run.seed >= FIRST_UNSEEN_SEED and r.run.scenario in seen
            ],
            "held-out programs": [r for r in everything if r.run.scenario not in seen],
        }
        rows = [[name, *self.shares(results)] for name, results in groups.items() if results]
        header = ["runs", "right cause", "wrong cause", "both of two causes", "where both act",
                  "healthy accused"]  # fmt: skip
        expected = [as_expected for _, as_expected in self.remedies()]
        return (
            f"{table(header, rows)}\n\n"
            f"{sum(expected)} of {len(expected)} remedies have the effect that was expected."
        )

    def shares(self, results: Sequence[Result]) -> list[str]:
        """One row of the summary."""
        by_name = {s.name: s for s in self.scenarios}
        single = [(s, r) for r in results if len((s := by_name[r.run.scenario]).causes) == 1]
        right = [(s, r) for s, r in single if r.is_right(s)]
        wrong = [
            (s, r) for s, r in single if r.verdict() not in (NOTHING, NOT_ASKED, short(s.causes[0]))
        ]
        pairs = [(s, r) for r in results if len((s := by_name[r.run.scenario]).causes) == 2]
        acting = [(s, r) for s, r in pairs if self.both_act(s)]
        healthy = [r for r in results if by_name[r.run.scenario].is_healthy and r.is_answered()]
        return [
            share(len(right), len(single)),
            share(len(wrong), len(single)),
            share(sum(self.names_both(s, r) for s, r in pairs), len(pairs)),
            share(sum(self.names_both(s, r) for s, r in acting), len(acting)),
            share(sum(bool(r.accused()) for r in healthy), len(healthy)),
        ]

    def misses(self) -> str:
        """Single-cause runs that were not told right."""
        rows = [
            [
                f"{r.run.scenario}:{r.run.seed}",
                short(s.causes[0]),
                ", ".join(r.accused()) or NOTHING,
                f"{r.run.gated_end:.3f}",
                f"{r.run.train_accuracy:.3f}",
            ]
            for s in self.trained(1)
            for r in self.by_name[s.name]
            if not r.is_right(s)
        ]
        if not rows:
            return "Every single cause was told right."
        return table(["run", "true", "said", "dead", "accuracy"], rows)

    def false_alarms(self) -> str:
        """Healthy runs that were accused of something."""
        healthy = [r for s in self.scenarios if s.is_healthy for r in self.by_name[s.name]]
        asked = [result for result in healthy if result.is_answered()]
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
            "A run is mild if at most 10 % of its units are dead, its accuracy is at least 0.5 and "
            "it has not diverged: no finding is then right too. Numerical failure beside "
            "another cause says what came of it; it is the verdict only where it stands alone. "
            "Both of two causes act if each changes what the other alone leads to, by 0.05 in "
            "dead units or accuracy, or to NaN. Thresholds of the diagnosis were chosen with seed "
            "0 in view, of programs that are not held out.",
            "",
            "## In short",
            "",
            tables.summary(),
            "",
            "## Causes and remedies",
            "",
            tables.single_causes(),
            "",
            "## Confusion",
            "",
            tables.confusion(),
            "",
            "Runs that were not told right:",
            "",
            tables.misses(),
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
