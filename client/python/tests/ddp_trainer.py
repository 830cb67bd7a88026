"""One rank of a data-parallel training, for test_watch_distributed.py.

usage: ddp_trainer.py ENDPOINT RUN MODE, with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT
in the environment. MODE: frozen (no update changes a weight), trained, one_alive (unit 0
of the first layer fires on rank 0 only), or sharded (each rank has a part of that layer's
units, and all the data).
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict

import firekeeper
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

STEPS = 24
BATCH = 16


def model_of(mode: str) -> nn.Sequential:
    """A small network with a dead unit, the same in every process."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2))
    with torch.no_grad():
        model[0].bias[7] = -1e3
        if mode == "one_alive":
            model[0].weight[0] = 0.0
            model[0].weight[0, 0] = 1.0
            model[0].bias[0] = -100.0
    return model


class Sharded(nn.Module):
    """The network of ``model_of``, its first layer cut by units."""

    def __init__(self, rank: int, world: int) -> None:
        super().__init__()
        whole = model_of("sharded")
        self.rank = rank
        self.world = world
        self.units = 8 // world
        self.first = nn.Linear(5, self.units)
        mine = slice(rank * self.units, (rank + 1) * self.units)
        with torch.no_grad():
            self.first.weight.copy_(whole[0].weight[mine])
            self.first.bias.copy_(whole[0].bias[mine])
        self.relu = nn.ReLU()
        self.last = whole[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[examples, 5] to [examples, 2]."""
        mine = self.relu(self.first(x))
        parts = [torch.empty_like(mine) for _ in range(self.world)]
        distributed.all_gather(parts, mine.detach())
        parts[self.rank] = mine
        return self.last(torch.cat(parts, 1))


def batch_of(mode: str, step: int, rank: int, world: int) -> torch.Tensor:
    """This rank's share of the examples of a step."""
    generator = torch.Generator().manual_seed(1000 + step)
    x = torch.randn(BATCH, 5, generator=generator)
    if mode == "one_alive":
        x[:, 0] = 0.0
        x[0, 0] = 200.0
    if mode == "sharded":
        return x
    return x[rank * BATCH // world : (rank + 1) * BATCH // world]


def main() -> None:
    """Trains, watched."""
    endpoint, run, mode = sys.argv[1:]
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    distributed.init_process_group("gloo")
    options: Dict[str, Any] = {"run": run, "endpoint": endpoint, "every": 1}
    model: nn.Module
    if mode == "sharded":
        model = Sharded(rank, world)
        options.update(unit_ranges={"relu": (rank * model.units, 8)}, data_shards=1)
    else:
        model = DistributedDataParallel(model_of(mode))
    rate = 0.05 if mode == "trained" else 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    watcher = firekeeper.watch(model, optimizer=optimizer, **options)
    for step in range(STEPS):
        loss = model(batch_of(mode, step, rank, world)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    distributed.barrier()
    assert watcher.close(30.0), watcher.counters()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
