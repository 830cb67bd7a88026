#!/usr/bin/env python3
"""Any other framework: a network in plain NumPy, whose arrays are sent with ``Stream``."""

from __future__ import annotations

import digits_file
import firekeeper
import numpy as np
import options
from digits_file import CLASSES, PIXELS
from firekeeper import Activation, ActivationSpec, LayerSpec, Signal

HIDDEN, BATCH = 48, 64


def main() -> None:
    """The command line."""
    parser = options.parser(__doc__, run="numpy", epochs=30)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    rows = np.array(digits_file.read(), dtype=np.float32)
    # As they are, 0 to 16: not what a network likes.
    x, labels = rows[:, :PIXELS], rows[:, PIXELS].astype(np.int64)
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    w1 = random.normal(0, np.sqrt(2 / PIXELS), (PIXELS, HIDDEN)).astype(np.float32)
    w2 = random.normal(0, np.sqrt(2 / HIDDEN), (HIDDEN, CLASSES)).astype(np.float32)
    b1, b2 = np.zeros(HIDDEN, np.float32), np.zeros(CLASSES, np.float32)
    rate = np.float32(arguments.learning_rate)

    layers = [
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
    step = 0
    with firekeeper.Stream(
        run=arguments.run, layers=layers, endpoint=arguments.endpoint, every=1
    ) as stream:
        for _ in range(arguments.epochs):
            for batch in np.array_split(random.permutation(len(x)), len(x) // BATCH):
                inputs = x[batch]
                z1 = inputs @ w1 + b1
                a1 = np.maximum(z1, 0)
                z2 = a1 @ w2 + b2
                shares = np.exp(z2 - z2.max(1, keepdims=True))
                shares /= shares.sum(1, keepdims=True)
                loss = -np.log(shares[targets[batch] == 1] + 1e-30).mean()
                d2 = (shares - targets[batch]) / len(batch)
                da1 = d2 @ w2.T
                d1 = da1 * (z1 > 0)
                if stream.should_sample(step):
                    stream.observe("hidden", Signal.INPUT, step, inputs)
                    stream.observe("hidden", Signal.PRE_ACTIVATION, step, z1)
                    stream.observe("hidden", Signal.ACTIVATION, step, a1)
                    stream.observe("hidden", Signal.OUTPUT_GRADIENT, step, da1)
                    stream.observe("hidden", Signal.WEIGHT, step, w1, cluster_axis=None)
                    stream.observe("output", Signal.ACTIVATION, step, z2)
                    stream.observe("output", Signal.WEIGHT, step, w2, cluster_axis=None)
                    update = -rate * (inputs.T @ d1)
                    stream.observe("hidden", Signal.WEIGHT_UPDATE, step, update, cluster_axis=None)
                w1 -= rate * (inputs.T @ d1)
                b1 -= rate * d1.sum(0)
                w2 -= rate * (a1.T @ d2)
                b2 -= rate * d2.sum(0)
                stream.scalar("loss", step, float(loss))
                stream.scalar("learning_rate", step, float(rate))
                stream.step_done(step)
                step += 1
        if not stream.close(10.0):
            raise SystemExit(f"the server did not get all of it: {stream.counters()}")

    with firekeeper.Client(arguments.endpoint) as client:
        print(f"dead hidden units: {client.dead_units(arguments.run, 'hidden')}")
        for finding in client.diagnosis(arguments.run)["findings"]:
            print(f"{finding['cause'].replace('_', ' ')}: {finding['summary']}")


if __name__ == "__main__":
    main()
