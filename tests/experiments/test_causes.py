"""The causes of dead units kill, and their remedies heal: training without a server.

Bounds from the reference experiments in another language and from four seeds of
these; run with -s to see the figures.
"""

from __future__ import annotations

import math
import os

import pytest
import scenarios
from scenarios import Run, mean

SEEDS = range(4)
# The training examples are the same for all seeds, and so the runs differ less.
DIGITS_SEEDS = range(2)


def trained(*names: str) -> list[list[Run]]:
    """Runs of each scenario over the seeds."""
    seeds = DIGITS_SEEDS if names[0].startswith("digits/") else SEEDS
    runs = scenarios.train_alone(names, seeds)
    for name in names:
        print(
            f"{name:32} dead {mean(runs[name], 'dead_start'):.3f} -> "
            f"{mean(runs[name], 'dead_end'):.3f}, gated {mean(runs[name], 'gated_end'):.3f}, "
            f"accuracy {mean(runs[name], 'train_accuracy'):.3f}"
        )
    return [runs[name] for name in names]


def test_adam_at_a_high_rate_kills_and_batch_norm_keeps_alive() -> None:
    faulty, mended = trained("adam-3e-2", "adam-3e-2/batch-norm")

    assert mean(faulty, "dead_start") < 0.02
    assert mean(faulty, "dead_end") > 0.25
    assert mean(mended, "dead_end") < 0.02


def test_momentum_at_a_high_rate_kills_and_a_tenth_of_it_does_not() -> None:
    faulty, mended, clipped = trained(
        "momentum-0.3", "momentum-0.3/rate-0.03", "momentum-0.3/clip-0.1"
    )

    assert mean(faulty, "dead_end") > 0.3
    assert mean(mended, "dead_end") < 0.02
    assert mean(clipped, "dead_end") < 0.02


def test_a_layer_born_dead_by_its_bias_gets_no_gradient_ever() -> None:
    (faulty,) = trained("bias-3-x2")

    assert abs(mean(faulty, "dead_end") - 0.5) <= 0.02
    assert mean(faulty, "train_accuracy") < 0.35
    for run in faulty:
        assert run.dead_start == run.dead_end
        for layer in run.layers:
            assert layer["first_gradient"] == 0.0 and layer["last_gradient"] == 0.0


def test_gates_that_stay_open_recover_from_a_negative_bias() -> None:
    prelu, elu, selu, rrelu, leaky_adam, leaky = trained(
        "bias-3-x2/prelu",
        "bias-3-x2/elu",
        "bias-3-x2/selu",
        "bias-3-x2/rrelu",
        "bias-3-x2/leaky-relu-adam",
        "bias-3-x2/leaky-relu",
    )

    for runs in (prelu, elu, selu, rrelu):
        assert mean(runs, "train_accuracy") > 0.7
    assert mean(leaky_adam, "train_accuracy") > 0.8
    assert mean(leaky, "train_accuracy") < 0.4, "open, but a hundred times too slow"


def test_negative_mean_weights_on_positive_inputs_are_dead_from_the_start() -> None:
    faulty, mended = trained("mean-1-u01", "mean-1-u01/he")

    assert mean(faulty, "dead_start") >= 0.9
    assert mean(mended, "dead_start") < 0.1
    assert mean(mended, "dead_end") < 0.1


def test_inputs_far_from_zero_leave_a_third_dead_and_standardising_none() -> None:
    faulty, mended = trained("inputs-10+g", "inputs-10+g/standardise")

    assert abs(mean(faulty, "dead_start") - 0.36) <= 0.05
    assert mean(faulty, "linear_start") == pytest.approx(mean(faulty, "dead_start"), abs=0.1)
    assert mean(faulty, "train_accuracy") < 0.5
    assert mean(mended, "dead_end") < 0.02


def test_the_default_init_of_pytorch_is_dead_at_depth_and_he_is_not() -> None:
    faulty, mended = trained("pytorch-16", "pytorch-16/he")

    assert mean(faulty, "dead_start") > 0.3
    assert mean(mended, "dead_start") < 0.12
    assert mean(mended, "train_accuracy") > 0.7


def test_tiny_weights_show_in_their_gain_and_not_in_the_ratio_of_gradients() -> None:
    (faulty,) = trained("std-0.01-8")

    for run in faulty:
        layers = run.hidden_layers()
        assert math.prod(layer["weight_gain"] for layer in layers) < 0.05
        # Rules that compare the first layer's gradient with the last's are blind.
        assert layers[0]["first_gradient"] / layers[-1]["first_gradient"] > 0.1
        assert layers[0]["first_gradient"] < 1e-4
        assert run.gated_start < 0.1, "gates are open"


def test_deep_and_narrow_relu_learns_little_and_selu_more() -> None:
    faulty, mended = trained("w16x30", "w16x30/selu")

    assert mean(faulty, "dead_start") > 0.15
    assert mean(faulty, "train_accuracy") < 0.5
    assert mean(mended, "train_accuracy") > 0.6


@pytest.mark.skipif("FIREKEEPER_DIGITS" not in os.environ, reason="needs the digits")
@pytest.mark.parametrize(
    ("cause", "remedy", "least_dead"),
    [
        ("adam-3e-2", "batch-norm", 0.2),
        ("momentum-0.3", "rate-0.03", 0.3),
        ("mean-1-u01", "he", 0.9),
        ("inputs-10+g", "standardise", 0.3),
        ("pytorch-16", "he", 0.3),
        ("bias-3-x2", "zero-bias", 0.0),
        ("w16x30", "selu", 0.0),
    ],
)
def test_the_same_holds_on_real_digits(cause: str, remedy: str, least_dead: float) -> None:
    faulty, mended = trained(f"digits/{cause}", f"digits/{cause}/{remedy}")

    # Momentum diverges with some seeds, and what is not finite is not dead.
    assert all(run.diverged or run.dead_end >= least_dead for run in faulty)
    assert mean(mended, "dead_end") < 0.1
    assert mean(mended, "train_accuracy") > 0.9
    assert mean(mended, "train_accuracy") > mean(faulty, "train_accuracy")


def run_with(**values: object) -> Run:
    """A run that measured these figures."""
    usual: dict[str, object] = {"train_accuracy": 0.9, "gated_end": 0.0, "diverged": False}
    return Run("any", 0, {**usual, **values})


def test_an_effect_is_judged_by_gates_accuracy_and_divergence() -> None:
    sick = [run_with(train_accuracy=0.3, gated_end=0.6)]

    assert scenarios.effect(sick, [run_with()]) == "heals"
    assert scenarios.effect(sick, [run_with(train_accuracy=0.5)]) == "helps"
    assert scenarios.effect(sick, [run_with(train_accuracy=0.3)]) == "fails"
    assert scenarios.effect(sick, [run_with(), run_with(diverged=True)]) == "helps"
    assert scenarios.effect([run_with(gated_end=0.4)], [run_with(gated_end=0.3)]) == "fails"
