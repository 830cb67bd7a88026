"""The reduction in the native library, of tensors in host memory."""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
from typing import Any, Dict, NamedTuple, Optional, Tuple

from firekeeper._firing_rule import FiringKind, FiringRule, ReductionRule
from firekeeper._layout import check_scale, roles_of
from firekeeper._pending import Column, Sketch, Summary
from firekeeper._vocabulary import ActivationSpec, Signal

LIBRARY_NAME = "libfirekeeper_reduce.so"
LIBRARY_VARIABLE = "FIREKEEPER_REDUCE_LIBRARY"

_ABI_VERSION = 2
_ERROR_SIZE = 256
_ErrorText = ctypes.c_char * _ERROR_SIZE
_BYTES_PER_UNIT = 24  # of the columns, as they are sent

_DTYPES = {"float64": 1, "float32": 2, "float16": 3, "bfloat16": 4}


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("mask", ctypes.c_void_p),
        ("mask_size", ctypes.c_int64),
        ("mask_entry_bits", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("unit_axis", ctypes.c_int32),
        ("cluster_axis", ctypes.c_int32),
        ("scale", ctypes.c_double),
    ]


class _Limits(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int32),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("hole_low", ctypes.c_double),
        ("hole_high", ctypes.c_double),
    ]


class _Rule(ctypes.Structure):
    _fields_ = [
        ("signal", ctypes.c_int32),
        ("cluster_split", ctypes.c_int32),
        ("firing_rule", _Limits),
    ]


class _Column(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_int32),
        ("width", ctypes.c_uint32),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
    ]


class _Buckets(ctypes.Structure):
    _fields_ = [
        ("offset", ctypes.c_int32),
        ("counts", ctypes.POINTER(ctypes.c_uint64)),
        ("size", ctypes.c_uint64),
    ]


class _Sketch(ctypes.Structure):
    _fields_ = [
        ("zero_count", ctypes.c_uint64),
        ("positive", _Buckets),
        ("negative", _Buckets),
    ]


def load() -> Optional[NativeReducer]:
    """The native reduction; None where the library is missing or of another version.

    Looks beside this file, else where ``FIREKEEPER_REDUCE_LIBRARY`` says.
    """
    beside = pathlib.Path(__file__).with_name(LIBRARY_NAME)
    path = str(beside) if beside.exists() else os.environ.get(LIBRARY_VARIABLE)
    if not path:
        return None
    try:
        library = ctypes.CDLL(path)
        if library.fk_abi_version() != _ABI_VERSION:
            return None
        return NativeReducer(library)
    except (OSError, AttributeError):  # cannot be loaded; is another library
        return None


def _declare(library: ctypes.CDLL) -> None:
    """Says what the functions take: ctypes would cut pointers to 32 bits."""
    tensor, rule = ctypes.POINTER(_Tensor), ctypes.POINTER(_Rule)
    error = (ctypes.c_char_p, ctypes.c_size_t)
    handle, number = ctypes.c_void_p, ctypes.c_int32
    functions: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
        "fk_kernel_target": (ctypes.c_char_p, ()),
        "fk_firing_rule": (
            number,
            (number, number, ctypes.c_double, ctypes.c_double, ctypes.POINTER(_Limits)),
        ),
        "fk_reduce": (handle, (tensor, rule, *error)),
        "fk_reduce_weight": (handle, (tensor, tensor, tensor, rule, *error)),
        "fk_summary_unit_count": (ctypes.c_int64, (handle,)),
        "fk_summary_cluster_is_step": (number, (handle,)),
        "fk_summary_column_count": (number, (handle,)),
        "fk_summary_column": (None, (handle, number, ctypes.POINTER(_Column))),
        "fk_summary_sketch": (None, (handle, ctypes.POINTER(_Sketch))),
        "fk_summary_free": (None, (handle,)),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments


class _NativeSummary:
    """A summary in the library's memory; a ``PendingSummary``."""

    def __init__(self, library: ctypes.CDLL, handle: int, units: int, samples: int) -> None:
        self._library = library
        self._handle: Optional[int] = handle
        self.samples = samples
        self.approximate_bytes = units * _BYTES_PER_UNIT

    def resolve(self) -> Summary:
        library, handle = self._library, self._handle
        if handle is None:
            raise RuntimeError("a summary is resolved once")
        column = _Column()
        columns: Dict[int, Column] = {}
        for index in range(library.fk_summary_column_count(handle)):
            library.fk_summary_column(handle, index, ctypes.byref(column))
            data = ctypes.string_at(column.data, column.size) if column.size else b""
            columns[column.id] = Column(column.width, data)
        summary = Summary(
            library.fk_summary_unit_count(handle),
            columns,
            library.fk_summary_cluster_is_step(handle) != 0,
            self._sketch_of(handle),
        )
        self._free()
        return summary

    def _sketch_of(self, handle: int) -> Sketch:
        sketch = _Sketch()
        self._library.fk_summary_sketch(handle, ctypes.byref(sketch))
        positive, negative = sketch.positive, sketch.negative
        return Sketch(
            sketch.zero_count,
            positive.offset,
            positive.counts[: positive.size],
            negative.offset,
            negative.counts[: negative.size],
        )

    def _free(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            self._library.fk_summary_free(handle)

    def __del__(self) -> None:
        self._free()


class _Plan(NamedTuple):
    """What reductions of tensors of one form have in common.

    Attributes:
        c_tensor: without an address, a mask and a scale; holds the numbers it points to.
        units: entries of the unit axis.
        samples: observations of one unit, valid or not.
    """

    c_tensor: _Tensor
    units: int
    samples: int


# A training step brings the same shapes again and again.
@functools.lru_cache(maxsize=1024)
def _plan(
    shape: Tuple[int, ...],
    strides: Tuple[int, ...],
    dtype: Any,
    entry_bytes: int,
    unit_axis: int,
    cluster_axis: Optional[int],
    mask_shape: Optional[Tuple[int, ...]],
) -> _Plan:
    """Strides count units of ``entry_bytes``.

    Raises:
        ValueError: an argument is not allowed; the text names it.
    """
    roles = roles_of(shape, unit_axis, cluster_axis, mask_shape, 1.0)
    numbers = ctypes.c_int64 * len(shape)
    c_tensor = _Tensor(
        shape=numbers(*shape),
        strides=numbers(*(stride * entry_bytes for stride in strides)),
        mask_entry_bits=8,
        dtype=_dtype_number(dtype),
        rank=len(shape),
        unit_axis=roles.unit_axis,
        cluster_axis=-1 if roles.cluster_axis is None else roles.cluster_axis,
    )
    return _Plan(c_tensor, shape[roles.unit_axis], roles.rows)


class _Borrowed(NamedTuple):
    """A tensor as the library sees it, with everything that must outlive the call."""

    c_tensor: _Tensor
    plan: _Plan
    kept: Tuple[Any, Any]


class NativeReducer:
    """Reduces tensors in host memory: one pass over the bytes, nothing copied.

    Thread-safe. The interpreter lock is released while the library runs.

    Attributes:
        name: ``native`` and the instruction set.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        _declare(library)
        self._library = library
        self.name: str = "native " + library.fk_kernel_target().decode()

    def reduce(
        self,
        tensor: Any,
        rule: ReductionRule,
        *,
        unit_axis: int,
        cluster_axis: Optional[int],
        mask: Any = None,
        scale: float = 1.0,
    ) -> _NativeSummary:
        """Reduces a ``torch.Tensor`` on the CPU or a ``numpy.ndarray``.

        Args:
            tensor: 1 to 8 axes of any strides; float64, float32, float16 or bfloat16.
            rule: of the signal that the tensor is.
            unit_axis: axis of the units; negative counts from the last.
            cluster_axis: axis of independent examples; None: the step is the cluster.
            mask: None, or bool over the other axes in order; True: valid.
            scale: value = stored * scale; finite and positive.

        Raises:
            ValueError: an argument is not allowed; the text names it.
        """
        borrowed = _borrow(tensor, unit_axis, cluster_axis, mask, scale)
        error = _ErrorText()
        handle = self._library.fk_reduce(
            ctypes.byref(borrowed.c_tensor),
            ctypes.byref(_rule_of(rule)),
            error,
            _ERROR_SIZE,
        )
        return self._summary(handle, error, borrowed.plan)

    def reduce_weight(
        self,
        weight: Any,
        bias: Any,
        inputs: Any,
        rule: ReductionRule,
        *,
        unit_axis: int = 0,
        input_unit_axis: int = -1,
    ) -> _NativeSummary:
        """Reduces a WEIGHT and proves which of its units cannot fire on ``inputs``.

        The caller has checked ``proofs_hold()`` and that the weight holds all features
        of a unit.

        Args:
            weight: two axes, units and features; in host memory, as in ``reduce``.
            bias: one axis of the units, or None.
            inputs: everything that the layer was given, features on ``input_unit_axis``.
            rule: of the signal WEIGHT.
            unit_axis: axis of the units in ``weight``.
            input_unit_axis: axis of the features in ``inputs``.

        Raises:
            ValueError: an argument is not allowed; the text names it.
        """
        of_weight = _borrow(weight, unit_axis, None, None, 1.0)
        of_inputs = _borrow(inputs, input_unit_axis, None, None, 1.0)
        of_bias = None if bias is None else _borrow(bias, 0, None, None, 1.0)
        error = _ErrorText()
        handle = self._library.fk_reduce_weight(
            ctypes.byref(of_weight.c_tensor),
            None if of_bias is None else ctypes.byref(of_bias.c_tensor),
            ctypes.byref(of_inputs.c_tensor),
            ctypes.byref(_rule_of(rule)),
            error,
            _ERROR_SIZE,
        )
        return self._summary(handle, error, of_weight.plan)

    def firing_rule(self, signal: Signal, activation: ActivationSpec) -> FiringRule:
        """The library's own rule, which ``firing_rule_for`` equals."""
        limits = _Limits()
        self._library.fk_firing_rule(
            signal,
            activation.kind,
            activation.negative_slope,
            activation.alpha,
            ctypes.byref(limits),
        )
        return FiringRule(
            FiringKind(limits.kind), limits.low, limits.high, limits.hole_low, limits.hole_high
        )

    def _summary(
        self, handle: Optional[int], error: ctypes.Array[ctypes.c_char], plan: _Plan
    ) -> _NativeSummary:
        if not handle:
            raise ValueError(error.value.decode(errors="replace"))
        return _NativeSummary(self._library, handle, plan.units, plan.samples)


def _borrow(
    tensor: Any, unit_axis: int, cluster_axis: Optional[int], mask: Any, scale: float
) -> _Borrowed:
    if scale != 1.0:
        check_scale(scale)
    mask_shape = None if mask is None else tuple(mask.shape)
    if _is_torch(tensor):
        if not tensor.is_cpu or str(tensor.layout) != "torch.strided":
            raise ValueError(
                f"tensor is {tensor.layout} on {tensor.device}; it must be strided on the cpu"
            )
        if tensor.is_neg():  # lies in memory with the other sign
            tensor = tensor.resolve_neg()
        strides, entry_bytes = tensor.stride(), tensor.element_size()
        address = tensor.data_ptr()
    else:
        strides, entry_bytes = tensor.strides, 1
        address = tensor.__array_interface__["data"][0]
    plan = _plan(
        tensor.shape, strides, tensor.dtype, entry_bytes, unit_axis, cluster_axis, mask_shape
    )
    # A copy of bytes: to fill in a new one takes longer.
    c_tensor = _Tensor.from_buffer_copy(plan.c_tensor)
    c_tensor.data = address
    c_tensor.scale = scale
    if mask is not None:
        mask = _host_mask(mask)
        c_tensor.mask = _address(mask)
        c_tensor.mask_size = _entry_count(mask)
    return _Borrowed(c_tensor, plan, (tensor, mask))


def _rule_of(rule: ReductionRule) -> _Rule:
    limits = rule.firing_rule
    return _Rule(
        rule.signal,
        rule.cluster_split,
        _Limits(limits.kind, limits.low, limits.high, limits.hole_low, limits.hole_high),
    )


def _is_torch(tensor: Any) -> bool:
    return hasattr(tensor, "data_ptr")


def _dtype_number(dtype: Any) -> int:
    name = str(dtype)
    number = _DTYPES.get(name[6:] if name.startswith("torch.") else name)
    if number is None:
        raise ValueError(f"tensor has the dtype {name}; allowed are {', '.join(_DTYPES)}")
    return number


def _host_mask(mask: Any) -> Any:
    if str(mask.dtype) not in ("torch.bool", "bool"):
        raise ValueError(f"mask has the dtype {mask.dtype}; it must be bool")
    if not _is_torch(mask):
        return mask.copy(order="C")
    return mask.cpu().contiguous()


def _address(tensor: Any) -> int:
    if _is_torch(tensor):
        return int(tensor.data_ptr())
    return int(tensor.__array_interface__["data"][0])


def _entry_count(mask: Any) -> int:
    return int(mask.numel()) if _is_torch(mask) else int(mask.size)
