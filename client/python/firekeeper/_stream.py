"""``firekeeper.Stream``: for any framework whose arrays NumPy can read."""

from __future__ import annotations

import functools
import logging
from types import TracebackType
from typing import Any, Mapping, NamedTuple, Optional, Sequence, Type

from firekeeper import _native
from firekeeper._config import sender_options
from firekeeper._firing_rule import rule_for
from firekeeper._layout import Roles, roles_of
from firekeeper._options import check_layers
from firekeeper._pending import Summary
from firekeeper._ring import RawTensor, SnapshotKey
from firekeeper._sender import ConnectionStatus, Counters, Sender
from firekeeper._steps import should_sample
from firekeeper._vocabulary import LayerSpec, Phase, Signal

_logger = logging.getLogger("firekeeper")


class ReadySummary:
    """A PendingSummary of which nothing is pending.

    Args:
        summary: what resolve() gives.
        samples: observations of one unit.
    """

    def __init__(self, summary: Summary, samples: int) -> None:
        self._summary = summary
        self.samples = samples
        self.approximate_bytes = sum(len(column.data) for column in summary.columns.values())

    def resolve(self) -> Summary:
        """The summary."""
        return self._summary


class _Array(NamedTuple):
    """An array that either way to send takes.

    Attributes:
        values: float64, float32 or float16, of this machine's byte order.
        mask: bool over the axes but the units'; None: all are valid.
        roles: what the axes mean.
        scale: value = entry * scale.
    """

    values: Any
    mask: Any
    roles: Roles
    scale: float


class Stream:
    """Streams what arrays of a training job hold to a Firekeeper server.

    Arrays are reduced at once by the native library where it is installed; else they are
    copied and the server reduces them, to the same counts. Every method may be called from any
    thread; none raises or waits for the network, but for close(): what is wrong with an
    argument is told once on the logger ``firekeeper`` and counted.

        with firekeeper.Stream(run="mlp", layers=[LayerSpec("fc1", 128)]) as stream:
            for step in range(steps):
                ...
                if stream.should_sample(step):
                    stream.observe("fc1", Signal.ACTIVATION, step, activations)
                stream.scalar("loss", step, loss)
                stream.step_done(step)

    Args:
        run: names the training job; default: the environment's FIREKEEPER_RUN.
        layers: everything that will be observed.
        endpoint: ``host:port``; default: FIREKEEPER_ENDPOINT, else 127.0.0.1:50061.
        options: further fields of SenderOptions; where not given, their variables decide.

    Raises:
        ValueError: an option cannot be used; the text names it, what came and what is allowed.
    """

    def __init__(
        self,
        run: Optional[str] = None,
        layers: Sequence[LayerSpec] = (),
        endpoint: Optional[str] = None,
        *,
        token: Optional[str] = None,
        every: Optional[int] = None,
        resume_step: Optional[int] = None,
        source: Optional[int] = None,
        source_count: Optional[int] = None,
        labels: Optional[Mapping[str, str]] = None,
        **options: Any,
    ) -> None:
        complete = sender_options(
            run=run,
            endpoint=endpoint,
            token=token,
            every=every,
            resume_step=resume_step,
            source=source,
            source_count=source_count,
            labels=labels,
            **options,
        )
        if not complete.disabled:
            check_layers(layers)
        self._every = complete.every
        self._specs = {} if complete.disabled else {layer.name: layer for layer in layers}
        self._is_disabled = complete.disabled
        self._sender = Sender(complete, layers)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    @property
    def launch_token(self) -> str:
        """Equal on all processes of one life of the job; empty where nothing is sent."""
        return self._sender.launch_token

    def should_sample(self, step: int) -> bool:
        """Whether ``step`` is to be observed: 0 to 10, 20, 50, 100, multiples of ``every``.

        Depends on the step alone, so that all processes of a run agree.
        """
        return not self._is_disabled and should_sample(step, self._every)

    def observe(
        self,
        layer: str,
        signal: Signal,
        step: int,
        array: Any,
        unit_axis: int = -1,
        cluster_axis: Optional[int] = 0,
        phase: Phase = Phase.TRAIN,
        part: int = 0,
        mask: Any = None,
        scale: float = 1.0,
    ) -> None:
        """Takes what is needed of ``array`` before it returns.

        Args:
            layer: one of ``layers``.
            signal: what the array is.
            step: training step.
            array: anything that NumPy can read; 1 to 8 axes. Float64, float32 and float16 as
                they are, other numbers as float64.
            unit_axis: which axis is the units; as long as the layer declares.
            cluster_axis: which axis is independent examples; None: none is, as in a weight.
            phase: what the forward pass was for.
            part: tells micro-batches or repeated calls of one step apart: each (layer, signal,
                phase, step, part) counts once.
            mask: bool over the other axes in order, False where an entry is padding; None: all
                are valid.
            scale: value = entry * scale; 1 / loss_scale for a gradient of a scaled loss.
        """
        if self._is_disabled:
            return
        try:
            key = SnapshotKey(layer, Signal(signal), Phase(phase), step, part)
            self._observe(key, _read(array, unit_axis, cluster_axis, mask, scale))
        except Exception as error:  # pylint: disable=broad-except
            self._sender.count_invalid(f"{layer}: {error}")

    def observe_summary(
        self,
        layer: str,
        signal: Signal,
        step: int,
        summary: Summary,
        phase: Phase = Phase.TRAIN,
        part: int = 0,
        samples: int = 0,
    ) -> None:
        """Sends what was reduced elsewhere.

        Args:
            layer: as in observe(); so are signal, step, phase and part.
            signal: see there.
            step: see there.
            summary: one entry for each unit, or one for all, of every column.
            phase: see there.
            part: see there.
            samples: observations of one unit, as far as known.
        """
        try:
            key = SnapshotKey(layer, Signal(signal), Phase(phase), step, part)
            self._sender.enqueue(*key, ReadySummary(summary, samples))
        except Exception as error:  # pylint: disable=broad-except
            self._sender.count_invalid(f"{layer}: {error}")

    def scalar(self, name: str, step: int, value: float) -> None:
        """A number of the whole run at one step: ``loss``, ``learning_rate``."""
        self._sender.scalar(name, step, value)

    def step_done(self, step: int) -> None:
        """Promises that nothing of a step up to ``step`` follows. Call it after every step."""
        self._sender.step_done(step)

    def counters(self) -> Counters:
        """What became of everything so far."""
        return self._sender.counters()

    def connection(self) -> ConnectionStatus:
        """Where the stream stands with the server."""
        return self._sender.connection()

    def close(self, deadline: float = 5.0) -> bool:
        """Sends what is left, for ``deadline`` seconds at most, and ends.

        Returns:
            Whether the server has everything.
        """
        return self._sender.close(deadline)

    def _observe(self, key: SnapshotKey, array: _Array) -> None:
        spec = self._specs.get(key.layer)
        if spec is None:
            raise ValueError("is not one of the layers")
        units, width = array.values.shape[array.roles.unit_axis], spec.width_of(key.signal)
        if units != width:
            raise ValueError(f"{key.signal.name} has {units} units; {width} were declared")
        reducer = _reducer()
        if reducer is None:
            self._sender.enqueue_tensor(*key, _raw(array, spec.cluster_split))
            return
        pending = reducer.reduce(
            array.values,
            rule_for(key.signal, spec.activation, spec.cluster_split),
            unit_axis=array.roles.unit_axis,
            cluster_axis=array.roles.cluster_axis,
            mask=array.mask,
            scale=array.scale,
        )
        self._sender.enqueue(*key, pending)


@functools.lru_cache(maxsize=None)
def _reducer() -> Optional[_native.NativeReducer]:
    """None: the server reduces."""
    reducer = _native.load()
    if reducer is None:
        _logger.info("the native reduction is not installed: arrays are sent whole")
    return reducer


def _read(
    array: Any, unit_axis: int, cluster_axis: Optional[int], mask: Any, scale: float
) -> _Array:
    """Raises ValueError, naming the argument, where one is not allowed."""
    import numpy as np

    values = np.asarray(array)
    if values.dtype.kind not in "fiub":
        raise ValueError(f"array has the dtype {values.dtype}; it must hold real numbers")
    if values.dtype not in (np.float64, np.float32, np.float16) or not values.dtype.isnative:
        is_known = values.dtype.kind == "f" and values.dtype.itemsize <= 8
        values = values.astype(values.dtype.newbyteorder("=") if is_known else np.float64)
    valid = None if mask is None else np.asarray(mask)
    if valid is not None and valid.dtype != np.bool_:
        raise ValueError(f"mask has the dtype {valid.dtype}; it must be bool")
    roles = roles_of(
        values.shape, unit_axis, cluster_axis, None if valid is None else valid.shape, scale
    )
    return _Array(values, valid, roles, float(scale))


def _raw(array: _Array, cluster_split: bool) -> RawTensor:
    """A copy for the server to reduce."""
    import numpy as np

    if cluster_split:
        array = array._replace(roles=array.roles._replace(cluster_axis=None))
    else:
        array = _clusters_first(array)
    values = array.values
    return RawTensor(
        data_type={8: 1, 4: 2, 2: 3}[values.dtype.itemsize],
        shape=values.shape,
        unit_axis=array.roles.unit_axis,
        cluster_axis=array.roles.cluster_axis,
        data=values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes(),
        mask=(
            b""
            if array.mask is None
            else np.packbits(array.mask, axis=None, bitorder="little").tobytes()
        ),
        scale=array.scale,
    )


def _clusters_first(array: _Array) -> _Array:
    """The same with the clusters on axis 0: only there a server reduces a tensor chunk by chunk.

    The order of the other axes stays; no figure depends on it.
    """
    import numpy as np

    unit, cluster = array.roles.unit_axis, array.roles.cluster_axis
    if not cluster:
        return array
    mask = array.mask
    if mask is not None:
        mask = np.moveaxis(mask, cluster - (unit < cluster), 0)
    return array._replace(
        values=np.moveaxis(array.values, cluster, 0),
        mask=mask,
        roles=array.roles._replace(unit_axis=unit + (unit < cluster), cluster_axis=0),
    )
