#!/usr/bin/env python3
"""Transformer blocks with ReLU in their perceptrons; the rows of a digit are its tokens."""

from __future__ import annotations

import digits
import firekeeper
import options
import report
import torch
from torch import nn
from torch.nn import functional

WIDTH = 32


class Block(nn.Module):
    """Attention and a perceptron, each behind a LayerNorm and beside a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, num_heads=4, batch_first=True)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[examples, tokens, WIDTH] to the same."""
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """Two blocks over eight tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(digits.SIDE, WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(digits.SIDE, WIDTH))
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, digits.CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[examples, 64] to [examples, CLASSES]."""
        tokens = self.embedding(x.unflatten(1, (digits.SIDE, digits.SIDE))) + self.position
        return self.head(self.norm(self.blocks(tokens)).mean(1))


def main() -> None:
    """The command line."""
    parser = options.parser(__doc__, run="transformer", epochs=12)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    data = digits.load()
    model = Transformer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate)
    order = torch.Generator().manual_seed(arguments.seed)
    with firekeeper.watch(
        model, optimizer=optimizer, run=arguments.run, endpoint=arguments.endpoint
    ) as watcher:
        for _ in range(arguments.epochs):
            for x, y in digits.batches(data.train_x, data.train_y, generator=order):
                loss = functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                watcher.loss(loss)
                optimizer.step()
        print(f"right on {digits.accuracy(model, data.test_x, data.test_y):.1%} of the test digits")
        report.close_and_show(watcher, arguments.run, arguments.endpoint)


if __name__ == "__main__":
    main()
