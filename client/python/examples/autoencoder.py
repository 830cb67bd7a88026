#!/usr/bin/env python3
"""A sparse autoencoder whose dead latents are recycled while it trains."""

from __future__ import annotations

from typing import Set, Tuple

import digits
import firekeeper
import options
import report
import torch
from torch import nn

LATENTS = 256
SPARSITY = 2.0


class Autoencoder(nn.Module):
    """Pixels to sparse latents and back."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(digits.PIXELS, LATENTS)
        self.latents = nn.ReLU()
        self.decoder = nn.Linear(LATENTS, digits.PIXELS)

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """[examples, PIXELS] to the latents, [examples, LATENTS], and to the pixels again."""
        latents = self.latents(self.encoder(x))
        return latents, self.decoder(latents)


def main() -> None:
    """The command line."""
    arguments = options.parser(__doc__, run="autoencoder", epochs=100).parse_args()
    torch.manual_seed(arguments.seed)
    x = digits.load().train_x
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    watcher = firekeeper.watch(
        model, optimizer=optimizer, run=arguments.run, endpoint=arguments.endpoint, every=1
    )
    recycled: Set[int] = set()
    order = torch.Generator().manual_seed(arguments.seed)
    for epoch in range(arguments.epochs):
        for inputs, _ in digits.batches(x, x, generator=order):
            latents, outputs = model(inputs)
            error = (outputs - inputs).pow(2).mean()
            loss = error + SPARSITY * latents.mean()
            optimizer.zero_grad()
            loss.backward()
            watcher.loss(loss)
            optimizer.step()
        if epoch == arguments.epochs // 2:
            # The rate that kills latents would also kill the new ones.
            for group in optimizer.param_groups:
                group["lr"] = 2e-3
        if epoch % 10 == 9:
            dead = watcher.dead_units("latents")
            firekeeper.recycle(model, optimizer, "latents", dead)
            recycled.update(dead)
            print(
                f"epoch {epoch + 1:3}  error {float(error):.3f}  recycled {len(dead):3} dead latents"
            )

    lost = recycled.intersection(watcher.dead_units("latents"))
    print(f"{len(recycled)} latents recycled, {len(recycled) - len(lost)} of them live")
    report.close_and_show(watcher, arguments.run, arguments.endpoint)


if __name__ == "__main__":
    main()
