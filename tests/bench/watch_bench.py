#!/usr/bin/python3
"""What watching a PyTorch training costs.

Step time watched over step time not watched, also while the server is stopped and when it
is gone; bytes sent over the bytes of the tensors; time to hand a summary to the sender. The
variants train copies of one model in turn, a block of steps each, in one process, so that
clocks and neighbours move all of them alike. Prints medians over the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import signal
import statistics
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Else the allocator returns pages after every step and each tensor faults them in anew:
# that would be measured, not the hooks.
MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TOP_PAD_": "67108864",
}
OPENBLAS = pathlib.Path("/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3")


def restart_with_settings() -> None:
    """The allocator reads its settings at the start of a process."""
    if os.environ.get("MALLOC_TOP_PAD_") == MALLOC["MALLOC_TOP_PAD_"]:
        return
    environment = {**os.environ, **MALLOC, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if OPENBLAS.exists():
        environment["LD_PRELOAD"] = str(OPENBLAS)
    else:
        # The reference BLAS makes steps twenty times longer, which would flatter the hooks.
        sys.exit("watch_bench: deploy/install-packages bench")
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


if __name__ == "__main__":
    restart_with_settings()

sys.path.append(str(ROOT / "tests" / "e2e"))

import firekeeper  # noqa: E402  (after the settings)
import measures  # noqa: E402
import processes  # noqa: E402
import torch  # noqa: E402
from firekeeper import _config, _firing_rule, _native, _sender  # noqa: E402
from torch import nn  # noqa: E402


class Task(NamedTuple):
    """A model, and what it is fed."""

    name: str
    model: Callable[[], nn.Module]
    shape: Tuple[int, ...]


class Block(nn.Module):
    """A transformer block with a ReLU MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


def mlp() -> nn.Module:
    layers: List[nn.Module] = []
    for _ in range(4):
        layers += [nn.Linear(1024, 1024), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(1024, 10))


def cnn() -> nn.Module:
    layers: List[nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def transformer() -> nn.Module:
    return nn.Sequential(*[Block(256, 4) for _ in range(2)], nn.Linear(256, 10))


TASKS = (
    Task("mlp", mlp, (256, 1024)),
    Task("cnn", cnn, (32, 3, 32, 32)),
    Task("transformer", transformer, (16, 64, 256)),
)


class Trainer:
    """One variant of a task: its own copy of the model."""

    def __init__(self, task: Task, attach: Callable[[nn.Module, Any], Any]) -> None:
        torch.manual_seed(1)
        self.model = task.model()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.x = torch.randn(task.shape)
        self.attached = attach(self.model, self.optimizer)

    def run(self, steps: int) -> float:
        """Seconds a step."""
        begin = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.model(self.x).pow(2).mean().backward()
            self.optimizer.step()
        return (time.perf_counter() - begin) / steps


def plain_hooks(model: nn.Module, _: Any) -> List[Any]:
    """The same figures of activations and their gradients, the straightforward way."""
    kept: List[Any] = []

    def figures(values: torch.Tensor) -> List[float]:
        flat = values.detach().flatten(0, -2) if values.dim() == 3 else values.detach()
        axes = [axis for axis in range(flat.dim()) if axis != 1]
        columns = [
            (flat > 0).sum(axes),
            (flat == 0).sum(axes),
            flat.isfinite().logical_not().sum(axes),
            flat.abs().sum(axes),
            flat.mean(axes),
            flat.var(axes),
            flat.amin(axes),
            flat.amax(axes),
        ]
        return [column.tolist() for column in columns]

    def hook(_: nn.Module, __: Any, output: torch.Tensor) -> None:
        kept[:] = figures(output)
        output.register_hook(lambda gradient: kept.__setitem__(slice(None), figures(gradient)))

    for module in model.modules():
        if isinstance(module, (nn.ReLU, nn.Linear, nn.Conv2d)):
            module.register_forward_hook(hook)
    return kept


def histogram_hooks(model: nn.Module, _: Any) -> List[Any]:
    """What torch.utils.tensorboard's add_histogram computes, of activations and weights."""
    kept: List[Any] = []

    def hook(module: nn.Module, __: Any, output: torch.Tensor) -> None:
        import numpy

        weight = getattr(module, "weight", None)
        for values in (output, weight):
            if values is not None:
                kept[:] = [numpy.histogram(values.detach().flatten().numpy(), bins=30)]

    for module in model.modules():
        if isinstance(module, (nn.ReLU, nn.Linear, nn.Conv2d)):
            module.register_forward_hook(hook)
    return kept


@contextlib.contextmanager
def server() -> Iterator[processes.Server]:
    """A firekeeperd of its own."""
    with tempfile.TemporaryDirectory() as folder:
        with processes.running(pathlib.Path(folder)) as started:
            yield started


def watched(run: str, endpoint: str, **options: Any) -> Callable[[nn.Module, Any], Any]:
    """What attaches a watcher to a model."""

    def attach(model: nn.Module, optimizer: Any) -> Any:
        return firekeeper.watch(model, optimizer=optimizer, run=run, endpoint=endpoint, **options)

    return attach


def unwatched(*_: Any) -> None:
    """What attaches nothing."""


def in_turn(variants: Dict[str, Trainer], rounds: int, steps: int) -> Dict[str, List[float]]:
    """Seconds a step of every variant and round."""
    seconds: Dict[str, List[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, trainer in variants.items():
            seconds[name].append(trainer.run(steps))
    return seconds


def measure(
    task: Task, endpoint: str, rounds: int, steps: int, table_only: bool
) -> Dict[str, List[float]]:
    """Seconds a step of every variant and round; ``table_only``: of what the table needs."""
    # A second one that is not watched shows what the comparison itself is worth.
    variants = {name: Trainer(task, unwatched) for name in ("not watched", "idle check")}
    for every in (1, None) if table_only else (1, 8, 128, None):
        name = "default" if every is None else f"every={every}"
        variants[name] = Trainer(task, watched(f"{task.name}.{name}", endpoint, every=every))
    if not table_only:
        variants["torch hooks"] = Trainer(task, plain_hooks)
        variants["histograms"] = Trainer(task, histogram_hooks)
    for trainer in variants.values():
        # Past the dense first steps, to a multiple of every distance.
        trainer.run(128)
    seconds = in_turn(variants, rounds, steps)
    report_counters(variants)
    return seconds


def measure_outage(task: Task, rounds: int, steps: int) -> Dict[str, List[float]]:
    """As measure(), every step observed, with a server that does not answer and with none."""
    variants = {"not watched": Trainer(task, unwatched)}
    with server() as stopped, server() as killed:
        for name, of in (("stopped", stopped), ("killed", killed)):
            attach = watched(f"{task.name}.{name}", of.endpoint, every=1, ring_bytes=1 << 22)
            variants[f"server {name}"] = Trainer(task, attach)
        for trainer in variants.values():
            trainer.run(32)
        assert stopped.process is not None
        stopped.process.send_signal(signal.SIGSTOP)
        killed.kill()
        seconds = in_turn(variants, rounds, steps)
        for name in ("server stopped", "server killed"):
            counters = variants[name].attached.counters()
            print(f"  {name}: ring of 4 MiB: {counters}")
        stopped.process.send_signal(signal.SIGCONT)
        for trainer in variants.values():
            if trainer.attached is not None:
                trainer.attached.close(1.0)
    return seconds


def report_bytes(task: Task, endpoint: str, steps: int) -> None:
    """Bytes that a watcher sends a step, over those of the tensors that it reduces."""
    trainer = Trainer(task, watched(f"{task.name}.bytes", endpoint, every=1))
    trainer.run(steps)
    trainer.attached.close(60.0)
    with firekeeper.Client(endpoint) as client:
        sent = client.run(f"{task.name}.bytes")["counters"]["payload_bytes"] / steps
        raw = 0
        for layer in client.layers(f"{task.name}.bytes"):
            units = layer["layer"]["unit_count"]
            for of_signal in layer["signals"]:
                if of_signal["signal"] in ("pre_activation", "activation", "output_gradient"):
                    window = of_signal["window_end_step"] - of_signal["window_first_step"]
                    raw += 4 * units * of_signal["observations"] // window
    print(
        f"  sent {sent / 1024:.1f} KiB a step; the activations, pre-activations and gradients "
        f"have {raw / 1024:.0f} KiB: {sent / raw:.5f}"
    )


def report_enqueue(endpoint: str, count: int) -> None:
    """Time to hand the summary of a layer of 4,096 units to the sender."""
    layer = firekeeper.LayerSpec("layer", 4096)
    reducer = _native.load()
    if reducer is None:
        print("enqueue: the compiled reduction is not there")
        return
    values = torch.randn(64, 4096).relu()
    rule = _firing_rule.rule_for(firekeeper.Signal.ACTIVATION, layer.activation)
    sender = _sender.Sender(_config.sender_options(run="enqueue", endpoint=endpoint), [layer])
    nanoseconds: List[int] = []
    for step in range(count):
        pending = reducer.reduce(values, rule, unit_axis=1, cluster_axis=0)
        begin = time.perf_counter_ns()
        sender.enqueue(
            "layer", firekeeper.Signal.ACTIVATION, firekeeper.Phase.TRAIN, step, 0, pending
        )
        nanoseconds.append(time.perf_counter_ns() - begin)
        sender.step_done(step)
    sender.close(60.0)
    nanoseconds.sort()
    p50, p99 = nanoseconds[count // 2], nanoseconds[count * 99 // 100]
    print(
        f"enqueue, microseconds: p50 {p50 / 1e3:.1f}, p99 {p99 / 1e3:.1f}, "
        f"max {nanoseconds[-1] / 1e3:.0f}"
    )


def report_counters(variants: Dict[str, Trainer]) -> None:
    """Closes the watchers; data that was dropped would flatter the figures."""
    for name, trainer in variants.items():
        close: Optional[Callable[..., bool]] = getattr(trainer.attached, "close", None)
        if close is None:
            continue
        done = close(60.0)
        counters = trainer.attached.counters()
        if not done or counters.dropped:
            print(f"  {name}: not all was sent: {counters}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=128, help="of a block; a multiple of 128")
    parser.add_argument("--task", choices=[task.name for task in TASKS])
    parser.add_argument("--table", action="store_true", help="only what tests/bench/run shows")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with server() as started:
        for task in TASKS:
            if arguments.task not in (None, task.name):
                continue
            seconds = measure(
                task, started.endpoint, arguments.rounds, arguments.steps, arguments.table
            )
            plain = statistics.median(seconds["not watched"])
            print(f"{task.name}: {plain * 1e3:.2f} ms a step, not watched")
            report_ratios(seconds)
            for name, measure_name in (("default", "default"), ("every=1", "every")):
                measures.print_measure(
                    f"watch_{task.name}_{measure_name}", ratios_of(seconds, name)
                )
            measures.print_measure(f"idle_watch_{task.name}", ratios_of(seconds, "idle check"))
            if arguments.table:
                continue
            outage = measure_outage(task, max(3, arguments.rounds // 3), arguments.steps)
            report_ratios(outage)
            report_bytes(task, started.endpoint, 64)
        if not arguments.table:
            report_enqueue(started.endpoint, 20_000)


def ratios_of(seconds: Dict[str, List[float]], name: str) -> List[float]:
    """Of a variant over the one that is not watched, round by round."""
    return [each / plain for each, plain in zip(seconds[name], seconds["not watched"])]


def report_ratios(seconds: Dict[str, List[float]]) -> None:
    """Prints the medians over the variant that is not watched."""
    for name in seconds:
        ratios = sorted(ratios_of(seconds, name))
        print(f"  {name:14} {statistics.median(ratios):.4f}  ({ratios[0]:.4f} to {ratios[-1]:.4f})")


if __name__ == "__main__":
    main()
