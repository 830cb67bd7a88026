#!/usr/bin/env python3
"""A multilayer perceptron on the digits. With Adam, 0.001 is healthy and 0.05 kills."""

from __future__ import annotations

from typing import Sequence

import digits
import firekeeper
import options
import report
import torch
from torch import nn
from torch.nn import functional

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
}


def network(hidden: Sequence[int]) -> nn.Sequential:
    """Linear and ReLU for every hidden layer, and an output."""
    model = nn.Sequential()
    width = digits.PIXELS
    for number, units in enumerate(hidden):
        model.add_module(f"linear{number}", nn.Linear(width, units))
        model.add_module(f"relu{number}", nn.ReLU())
        width = units
    model.add_module("output", nn.Linear(width, digits.CLASSES))
    return model


def main() -> None:
    """The command line."""
    parser = options.parser(__doc__, run="mlp", epochs=60)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adam")
    parser.add_argument("--hidden", default="64,64", help="units of the hidden layers")
    parser.add_argument("--remedy-of", help="the run that this one tries to mend")
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    data = digits.load()
    model = network([int(units) for units in arguments.hidden.split(",")])
    optimizer = OPTIMIZERS[arguments.optimizer](model.parameters(), lr=arguments.learning_rate)
    watcher = firekeeper.watch(
        model,
        optimizer=optimizer,
        run=arguments.run,
        endpoint=arguments.endpoint,
        remedy_of=arguments.remedy_of,
        birth_data=[data.train_x],
    )

    order = torch.Generator().manual_seed(arguments.seed)
    for epoch in range(arguments.epochs):
        for x, y in digits.batches(data.train_x, data.train_y, generator=order):
            loss = functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            watcher.loss(loss)
            optimizer.step()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3}  loss {float(loss):.4f}")

    watcher.probe([data.train_x])
    print(f"right on {digits.accuracy(model, data.test_x, data.test_y):.1%} of the test digits")
    report.close_and_show(watcher, arguments.run, arguments.endpoint)


if __name__ == "__main__":
    main()
