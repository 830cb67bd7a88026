#!/usr/bin/env python3
"""A convolutional network on the digits: a unit is a channel."""

from __future__ import annotations

from collections import OrderedDict

import digits
import firekeeper
import options
import report
import torch
from torch import nn
from torch.nn import functional


def network() -> nn.Sequential:
    """Two convolutions, the second with a BatchNorm before its activation.

    Reads float [examples, 64].
    """
    return nn.Sequential(
        OrderedDict(
            image=nn.Unflatten(1, (1, digits.SIDE, digits.SIDE)),
            conv1=nn.Conv2d(1, 16, 3, padding=1),
            relu1=nn.ReLU(inplace=True),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(16, 32, 3, padding=1),
            norm2=nn.BatchNorm2d(32),
            relu2=nn.ReLU(inplace=True),
            pool2=nn.MaxPool2d(2),
            flat=nn.Flatten(),
            output=nn.Linear(128, digits.CLASSES),
        )
    )


def main() -> None:
    """The command line."""
    parser = options.parser(__doc__, run="cnn", epochs=20)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    data = digits.load()
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate)
    order = torch.Generator().manual_seed(arguments.seed)
    # Told apart: channels that no digit excites at the start, and those that die of training.
    with firekeeper.watch(
        model,
        optimizer=optimizer,
        run=arguments.run,
        endpoint=arguments.endpoint,
        birth_data=[data.train_x],
    ) as watcher:
        for _ in range(arguments.epochs):
            for x, y in digits.batches(data.train_x, data.train_y, generator=order):
                loss = functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                watcher.loss(loss)
                optimizer.step()
        watcher.probe([data.train_x])
        print(f"right on {digits.accuracy(model, data.test_x, data.test_y):.1%} of the test digits")
        report.close_and_show(watcher, arguments.run, arguments.endpoint)


if __name__ == "__main__":
    main()
