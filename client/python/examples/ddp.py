#!/usr/bin/env python3
"""Two processes under DistributedDataParallel, one run: a unit that lives on either is alive.

Started by torchrun or alone.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile

import digits
import firekeeper
import mlp
import options
import report
import torch
from torch import distributed
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel


def train(rank: int, size: int, init_method: str, arguments: argparse.Namespace) -> None:
    """One process of the run."""
    distributed.init_process_group("gloo", init_method, rank=rank, world_size=size)
    torch.manual_seed(arguments.seed)
    data = digits.load()
    x, y = data.train_x[rank::size], data.train_y[rank::size]
    # Every process has to take as many steps as the others.
    shared = len(data.train_x) // size
    model = DistributedDataParallel(mlp.network([64, 64]))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    watcher = firekeeper.watch(
        model, optimizer=optimizer, run=arguments.run, endpoint=arguments.endpoint
    )
    order = torch.Generator().manual_seed(arguments.seed + rank)
    for _ in range(arguments.epochs):
        for inputs, labels in digits.batches(x[:shared], y[:shared], size=32, generator=order):
            loss = functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            watcher.loss(loss)
            optimizer.step()

    complete = watcher.close(30.0)
    # What is asked next rests on what all have sent.
    distributed.barrier()
    if rank == 0:
        print(f"right on {digits.accuracy(model, data.test_x, data.test_y):.1%} of the test digits")
        report.show(arguments.run, arguments.endpoint)
    distributed.destroy_process_group()
    if not complete:
        sys.exit(f"rank {rank}: the server did not get all of it: {watcher.counters()}")


def main() -> None:
    """The command line; started without a launcher, it starts two processes itself."""
    arguments = options.parser(__doc__, run="ddp", epochs=10).parse_args()
    if "RANK" in os.environ:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        train(rank, size, "env://", arguments)
        return
    # A launcher gives all processes of one job a common name; here nobody else does.
    os.environ["FIREKEEPER_LAUNCH_TOKEN"] = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder:
        init_method = f"file://{folder}/rendezvous"
        torch.multiprocessing.spawn(train, (2, init_method, arguments), nprocs=2)


if __name__ == "__main__":
    main()
