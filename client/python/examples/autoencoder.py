#!/usr/bin/env python3
"""A sparse autoencoder whose dead latents are found and recycled while it trains."""

from __future__ import annotations

from typing import List, Tuple

import digits
import firekeeper
import options
import report
import torch
from torch import nn

LATENTS = 128
HEAVY, LIGHT = 8.0, 1.0


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
    arguments = options.parser(__doc__, run="autoencoder", epochs=96).parse_args()
    torch.manual_seed(arguments.seed)
    x = digits.load().train_x
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    # Dead is what was silent for 1,024 steps and some 23,000 examples: few steps may be skipped.
    watcher = firekeeper.watch(
        model, optimizer=optimizer, run=arguments.run, endpoint=arguments.endpoint, every=2
    )
    heavy_until, recycle_at = arguments.epochs // 5, arguments.epochs * 5 // 6
    recycled: List[int] = []
    error, first_step = torch.zeros(()), 0
    order = torch.Generator().manual_seed(arguments.seed)
    for epoch in range(arguments.epochs):
        if epoch == recycle_at:
            recycled = watcher.dead_units("latents")
            print(f"epoch {epoch}: error {float(error):.3f}, {len(recycled)} dead latents recycled")
            firekeeper.recycle(model, optimizer, "latents", recycled)
            first_step = watcher.step_index
        for inputs, _ in digits.batches(x, x, generator=order):
            latents, outputs = model(inputs)
            error = (outputs - inputs).pow(2).mean()
            # What dies of the heavy weight gets no gradient to come back under the light one.
            loss = error + (HEAVY if epoch < heavy_until else LIGHT) * latents.mean()
            optimizer.zero_grad()
            loss.backward()
            watcher.loss(loss)
            optimizer.step()

    dead = watcher.dead_units("latents")
    print(f"epoch {arguments.epochs}: error {float(error):.3f}, {len(dead)} dead latents")
    report.close_and_show(watcher, arguments.run, arguments.endpoint)
    with firekeeper.Client(arguments.endpoint) as client:
        last_firing = client.units(arguments.run, "latents")["last_firing_step"][recycled]
    revived = int((last_firing >= first_step).sum())
    print(f"{revived} of the {len(recycled)} latents that were recycled have fired since")


if __name__ == "__main__":
    main()
