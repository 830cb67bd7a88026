#!/usr/bin/env python3
"""Any other framework: a network in plain NumPy, whose arrays are sent with ``Stream``."""

from __future__ import annotations

from typing import Any, Dict

import digits_file
import firekeeper
import numpy as np
import options
import report
from digits_file import CLASSES, PIXELS
from firekeeper import Activation, ActivationSpec, LayerSpec, Signal

HIDDEN, BATCH = 48, 64

Array = Any

LAYERS = [
    LayerSpec("hidden", HIDDEN, fan_in=PIXELS, order=0),
    LayerSpec(
        "output",
        CLASSES,
        ActivationSpec(Activation.LINEAR),
        fan_in=HIDDEN,
        order=1,
        inputs=("hidden",),
        is_output=True,
    ),
]


class Network:
    """A hidden layer of rectified units, and softmax; trained by plain gradient descent."""

    def __init__(self, random: np.random.Generator) -> None:
        self.w1 = random.normal(0, np.sqrt(2 / PIXELS), (PIXELS, HIDDEN)).astype(np.float32)
        self.w2 = random.normal(0, np.sqrt(2 / HIDDEN), (HIDDEN, CLASSES)).astype(np.float32)
        self.b1, self.b2 = np.zeros(HIDDEN, np.float32), np.zeros(CLASSES, np.float32)

    def step(self, x: Array, targets: Array, rate: float) -> Dict[str, Array]:
        """One update for ``x``, [examples, PIXELS], and ``targets``, [examples, CLASSES].

        Returns:
            The loss, and what the update saw: z1, a1 and their gradient da1 of shape
            [examples, HIDDEN], z2 [examples, CLASSES], and the update of w1, [PIXELS, HIDDEN].
        """
        z1 = x @ self.w1 + self.b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ self.w2 + self.b2
        shares = np.exp(z2 - z2.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        loss = -np.log((shares * targets).sum(1) + 1e-30).mean()

        d2 = (shares - targets) / len(x)
        da1 = d2 @ self.w2.T
        d1 = da1 * (z1 > 0)
        update = -rate * (x.T @ d1)
        self.w1 += update
        self.b1 -= rate * d1.sum(0)
        self.w2 -= rate * (a1.T @ d2)
        self.b2 -= rate * d2.sum(0)
        return {"loss": loss, "z1": z1, "a1": a1, "da1": da1, "z2": z2, "update": update}


def observe(stream: firekeeper.Stream, step: int, x: Array, w1: Array, seen: Any) -> None:
    """Sends the arrays of one step: units are the last axis, examples the first."""
    stream.observe("hidden", Signal.INPUT, step, x)
    stream.observe("hidden", Signal.PRE_ACTIVATION, step, seen["z1"])
    stream.observe("hidden", Signal.ACTIVATION, step, seen["a1"])
    stream.observe("hidden", Signal.OUTPUT_GRADIENT, step, seen["da1"])
    stream.observe("output", Signal.ACTIVATION, step, seen["z2"])
    # No axis of a weight is examples.
    stream.observe("hidden", Signal.WEIGHT, step, w1, cluster_axis=None)
    stream.observe("hidden", Signal.WEIGHT_UPDATE, step, seen["update"], cluster_axis=None)


def main() -> None:
    """The command line."""
    parser = options.parser(__doc__, run="numpy", epochs=30)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    rows = np.array(digits_file.read(), dtype=np.float32)
    # Pixels as they are, 0 to 16: large inputs make large updates.
    x, targets = rows[:, :PIXELS], np.eye(CLASSES, dtype=np.float32)[rows[:, PIXELS].astype(int)]
    network = Network(random)
    step = 0
    with firekeeper.Stream(
        run=arguments.run, layers=LAYERS, endpoint=arguments.endpoint, every=1
    ) as stream:
        for _ in range(arguments.epochs):
            for batch in np.array_split(random.permutation(len(x)), len(x) // BATCH):
                before = network.w1.copy()
                seen = network.step(x[batch], targets[batch], arguments.learning_rate)
                if stream.should_sample(step):
                    observe(stream, step, x[batch], before, seen)
                stream.scalar("loss", step, float(seen["loss"]))
                stream.scalar("learning_rate", step, arguments.learning_rate)
                stream.step_done(step)
                step += 1
        report.close_and_show(stream, arguments.run, arguments.endpoint)


if __name__ == "__main__":
    main()
