"""Streams what a training job observes, without ever blocking or breaking the training.

A process that forks keeps its sender; in the child it is switched off without a word, as a
worker of a DataLoader must neither stream nor hang at its exit. gRPC itself does not survive a
fork, so nothing of it is touched there. A child that is to stream on its own must be forked
before its parent streams, or be spawned.

Importing this module sets GRPC_ENABLE_FORK_SUPPORT=0 where it is not set. With its support for
forks, which distributions switch on, gRPC 1.51 waits in every fork for its thread pool to be
idle. While a channel connects or closes that pool may never be: the training would hang in
os.fork(), or be aborted by gRPC.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import sys
import time
import weakref
from typing import Any, List, Optional, Sequence, Set, Tuple

from firekeeper._inbox import DoneItem, ScalarItem
from firekeeper._launch_token import launch_token
from firekeeper._names import MAX_STEP, is_valid_name
from firekeeper._options import SenderOptions, check_layers, check_options
from firekeeper._pending import PendingSummary
from firekeeper._ring import RawTensor, SnapshotKey
from firekeeper._status import ConnectionState, ConnectionStatus, Counters
from firekeeper._vocabulary import LayerSpec, Phase, Signal
from firekeeper._worker import Worker

__all__ = ["Counters", "ConnectionState", "ConnectionStatus", "Sender", "SenderOptions"]

MAX_PART = 2**32 - 1
# A mask travels whole, with the first chunk.
MAX_MASK_BYTES = 512 << 10
MAX_AXES = 8
# By firekeeper.v1.DataType: float64, float32, float16, bfloat16.
_VALUE_BYTES = {1: 8, 2: 4, 3: 2, 4: 2}
# Nobody waits for a sender that was dropped without close().
ABANDONED_SECONDS = 10.0

_logger = logging.getLogger("firekeeper")

_live: "weakref.WeakSet[Sender]" = weakref.WeakSet()
_running: List[Worker] = []  # those whose Sender may be gone
_forked: List[Worker] = []  # of the parent: never finalized here
_finalized: Set[int] = set()  # processes


class Sender:
    """One source's stream to a Firekeeper server.

    Every method may be called from any thread, from a signal handler and from a finalizer.
    None raises or waits for the network, but for close(): what goes wrong is told once on the
    logger ``firekeeper`` and counted. Connects on first use, on a thread of its own.

    A copy, by copy.deepcopy or pickle, is switched off: a model that refers to a sender can be
    copied, and sent to another process.

    Args:
        options: where to stream. Wrong ones are logged, and nothing is sent.
        layers: everything that will be observed; names are unique.
    """

    def __init__(self, options: SenderOptions, layers: Sequence[LayerSpec]) -> None:
        self._worker: Optional[Worker] = None
        self._status = ConnectionStatus(ConnectionState.DISABLED, "")
        self._final = Counters()
        self._specs = {layer.name: layer for layer in layers}
        self._resume_step = options.resume_step
        self._launch_token = ""
        self._exit_seconds = options.exit_deadline_seconds
        self._close_result: Optional[bool] = None
        if not options.disabled:
            self._begin(options, layers)

    def _begin(self, options: SenderOptions, layers: Sequence[LayerSpec]) -> None:
        try:
            check_options(options)
            check_layers(layers)
        except ValueError as error:
            self._status = ConnectionStatus(ConnectionState.FAILED, str(error))
            self._close_result = False
            _logger.error("%s; nothing is sent, training goes on", error)
            return
        self._launch_token = options.launch_token or launch_token(os.environ, options.source_count)
        if os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() in ("1", "true", "yes", "t", "y"):
            _logger.warning(
                "GRPC_ENABLE_FORK_SUPPORT is on: gRPC may hang in os.fork(); allowed: 0"
            )
        self._worker = Worker(options, layers, self._launch_token)
        _live.add(self)
        _flush_when_this_process_ends()
        weakref.finalize(self, _abandon, self._worker).atexit = False

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_disabled_sender, ())

    @property
    def launch_token(self) -> str:
        """The one that was given or found; empty where nothing is sent."""
        return self._launch_token

    def enqueue(
        self,
        layer: str,
        signal: Signal,
        phase: Phase,
        step: int,
        part: int,
        pending: PendingSummary,
    ) -> None:
        """Hands a summary over; it is resolved on the sender's thread when its turn comes.

        Args:
            layer: one that was declared.
            signal: what was reduced.
            phase: what the forward pass was for.
            step: not negative, at least resume_step.
            part: tells micro-batches or repeated calls of one step apart.
            pending: is let go of when it was resolved or dropped.
        """
        worker = self._worker
        if worker is None:
            return
        try:
            key = SnapshotKey(layer, signal, phase, step, part)
            problem = self._problem_of(key)
            if problem:
                worker.tally.count_invalid(problem)
                return
            worker.put_snapshot(key, pending, pending.samples, pending.approximate_bytes)
        except Exception as error:  # pylint: disable=broad-except
            worker.tally.count_error(error)

    def enqueue_tensor(
        self, layer: str, signal: Signal, phase: Phase, step: int, part: int, tensor: RawTensor
    ) -> None:
        """Hands a tensor over that the server is to reduce.

        One of more than 1 MiB is sent in chunks, for which its cluster axis has to be 0 or
        None. Its mask may have 512 KiB.

        Args:
            layer: as in enqueue(); so are signal, phase, step and part.
            signal: see there.
            phase: see there.
            step: see there.
            part: see there.
            tensor: product(shape) * size of a value bytes of data.
        """
        worker = self._worker
        if worker is None:
            return
        try:
            key = SnapshotKey(layer, signal, phase, step, part)
            problem = self._problem_of(key) or self._tensor_problem(key, tensor)
            if problem:
                worker.tally.count_invalid(problem)
                return
            rows = math.prod(
                length for axis, length in enumerate(tensor.shape) if axis != tensor.unit_axis
            )
            worker.put_snapshot(key, tensor, rows, len(tensor.data) + len(tensor.mask))
        except Exception as error:  # pylint: disable=broad-except
            worker.tally.count_error(error)

    def scalar(self, name: str, step: int, value: float) -> None:
        """A number of the whole run at one step: ``loss``, ``learning_rate``.

        NaN and infinity are kept: they are evidence. At most 4,096 wait; then the oldest goes.
        """
        worker = self._worker
        if worker is None:
            return
        try:
            if is_valid_name(name) and 0 <= step <= MAX_STEP:
                worker.put(ScalarItem(name, int(step), float(value)))
            else:
                worker.tally.count_scalar_dropped()
        except Exception as error:  # pylint: disable=broad-except
            worker.tally.count_error(error)

    def step_done(self, step: int) -> None:
        """Promises that no snapshot of a step up to ``step`` will follow.

        Evaluation and probe passes included, so that the server can close its windows. Call
        it at the end of every step, sampled or not. A smaller step than before changes
        nothing.
        """
        worker = self._worker
        if worker is None:
            return
        try:
            worker.put(DoneItem(min(int(step), MAX_STEP)))
        except Exception as error:  # pylint: disable=broad-except
            worker.tally.count_error(error)

    def count_invalid(self, why: str) -> None:
        """An observation could not be used; the first is told on the logger."""
        worker = self._worker
        if worker is not None:
            worker.tally.count_invalid(why)

    def counters(self) -> Counters:
        """What became of everything so far, at one moment."""
        worker = self._worker
        return self._final if worker is None else worker.counters()

    def connection(self) -> ConnectionStatus:
        """Where the sender stands with the server, and why the last stream ended."""
        worker = self._worker
        return self._status if worker is None else worker.connection()

    def close(self, deadline_seconds: float) -> bool:
        """Sends what is left, for ``deadline_seconds`` at most, and ends.

        Returns:
            Whether the server has everything that was enqueued and has confirmed the end.
            True where nothing was to be sent. Later calls return the first answer.
        """
        worker = self._worker
        if self._close_result is None and worker is not None:
            worker.begin_close(deadline_seconds)
            self._close_result = worker.wait_closed(deadline_seconds)
        return self._close_result is not False

    def _problem_of(self, key: SnapshotKey) -> str:
        """What is wrong with ``key``; empty: nothing."""
        if key.layer not in self._specs:
            return f"layer {key.layer!r} was not declared"
        if not self._resume_step <= key.step <= MAX_STEP:
            return f"step {key.step} is not in [{self._resume_step}, 2^53]"
        if not 0 <= key.part <= MAX_PART:
            return f"part {key.part} is not in [0, 2^32)"
        return ""

    def _tensor_problem(self, key: SnapshotKey, tensor: RawTensor) -> str:
        shape, size = tensor.shape, _VALUE_BYTES.get(tensor.data_type)
        if size is None:
            return f"data_type {tensor.data_type} is not one of {sorted(_VALUE_BYTES)}"
        if not 0 <= tensor.unit_axis < len(shape) <= MAX_AXES:
            return f"unit_axis {tensor.unit_axis} of {len(shape)} axes"
        if len(tensor.data) != math.prod(shape) * size:
            return f"{len(tensor.data)} bytes; the shape {shape} has {math.prod(shape) * size}"
        width = self._specs[key.layer].width_of(key.signal)
        if shape[tensor.unit_axis] != width:
            return f"tensor has {shape[tensor.unit_axis]} units; {key.layer} declared {width}"
        if len(tensor.mask) > MAX_MASK_BYTES:
            return f"mask of {len(tensor.mask)} bytes; at most {MAX_MASK_BYTES} are allowed"
        return ""

    def _after_fork(self) -> None:
        """In the child: nothing is ever sent, and nothing of the parent's is let go of."""
        if self._worker is not None:
            _forked.append(self._worker)
        self._worker = None
        self._status = ConnectionStatus(ConnectionState.DISABLED, "")
        self._launch_token = ""
        self._close_result = True


def _disabled_sender() -> Sender:
    return Sender(SenderOptions(run="", disabled=True), [])


def _abandon(worker: Worker) -> None:
    """Its Sender is gone: sends what is left, unwatched."""
    if worker.is_running:
        worker.begin_close(ABANDONED_SECONDS)
        _running[:] = [each for each in _running if each.is_running] + [worker]


def _flush_at_exit() -> None:
    """The interpreter ends: a last chance for what is buffered."""
    try:
        senders = [(sender._worker, sender._exit_seconds) for sender in list(_live)]
        workers = [(worker, seconds) for worker, seconds in senders if worker is not None]
        workers += [(worker, SenderOptions("").exit_deadline_seconds) for worker in _running]
        workers = [(worker, seconds) for worker, seconds in workers if worker.is_running]
        began = time.monotonic()
        for worker, seconds in workers:
            worker.begin_close(seconds)
        for worker, seconds in workers:
            worker.wait_closed(began + seconds - time.monotonic())
    except (Exception, KeyboardInterrupt):  # pylint: disable=broad-except
        # A traceback would be the last that the user sees of a training that went well.
        pass


def _after_fork_in_child() -> None:
    for sender in list(_live):
        sender._after_fork()
    _live.clear()
    _forked.extend(_running)
    _running.clear()


def _flush_when_this_process_ends() -> None:
    """A process of multiprocessing ends without atexit, and without what its parent said."""
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or os.getpid() in _finalized:
        return
    from multiprocessing import util

    _finalized.add(os.getpid())
    util.Finalize(None, _flush_at_exit, exitpriority=100)


# Here and not on the sender's thread: setenv() is unsafe once other threads read.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
atexit.register(_flush_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
