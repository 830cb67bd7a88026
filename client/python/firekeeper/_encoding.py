"""The wire form of what is sent (firekeeper/v1/ingest.proto).

A snapshot is serialized once, however often it is sent: messages are joined from its bytes
instead of being built anew. Protobuf lets fields come in any order, so a tensor's values,
which are large, always come last and are never copied but into the message.
"""

from __future__ import annotations

from typing import List, Sequence, Union, cast

from firekeeper._options import SenderOptions
from firekeeper._pending import PendingSummary, Summary
from firekeeper._progress import ProgressReport
from firekeeper._ring import Content, LostRange, RawTensor, SnapshotKey
from firekeeper._vocabulary import LayerSpec
from firekeeper.v1 import ingest_pb2, resources_pb2, summary_pb2, tensor_pb2

Piece = Union[bytes, memoryview]

# Field number and wire type of length-delimited fields of these messages.
_REQUEST_BATCH = b"\x12"
_BATCH_FIRST_SEQ = b"\x08"
_BATCH_SNAPSHOTS = b"\x12"
_SNAPSHOT_TENSOR = b"\x32"
_TENSOR_DATA = b"\x2a"


class EncodedSummary:
    """A snapshot that holds a summary.

    Attributes:
        message: the serialized Snapshot.
    """

    __slots__ = ("message",)

    def __init__(self, key: SnapshotKey, summary: Summary) -> None:
        snapshot = _snapshot(key)
        snapshot.summary.unit_count = summary.unit_count
        snapshot.summary.cluster_is_step = summary.cluster_is_step
        for number, column in summary.columns.items():
            snapshot.summary.columns.append(
                summary_pb2.SummaryColumnData(column=number, width=column.width, data=column.data)
            )
        if any(summary.sketch):
            snapshot.summary.sketch.CopyFrom(summary_pb2.QuantileSketch(**summary.sketch._asdict()))
        self.message: bytes = snapshot.SerializeToString()

    @property
    def wire_bytes(self) -> int:
        """Size of the Snapshot."""
        return len(self.message)

    def pieces(self) -> List[Piece]:
        """What gives the Snapshot when joined."""
        return [self.message]


class EncodedTensor:
    """A snapshot that holds a tensor, whole or chunk by chunk.

    Attributes:
        data: the values of the tensor.
        can_be_cut: a cluster must not be cut: only along axis 0.
    """

    __slots__ = ("data", "can_be_cut", "_key", "_head", "_mask", "_whole_head")

    def __init__(self, key: SnapshotKey, tensor: RawTensor) -> None:
        head = tensor_pb2.Tensor(
            data_type=tensor.data_type,
            shape=tensor.shape,
            unit_axis=tensor.unit_axis,
            cluster_axis=tensor.cluster_axis,
            scale=tensor.scale,
        )
        self.data = memoryview(tensor.data)
        self.can_be_cut = tensor.cluster_axis in (None, 0)
        self._key: bytes = _snapshot(key).SerializeToString()
        self._head: bytes = head.SerializeToString()
        self._mask: bytes = tensor_pb2.Tensor(validity_mask=tensor.mask).SerializeToString()
        self._whole_head = self._frame(self._head + self._mask, len(self.data))

    @property
    def wire_bytes(self) -> int:
        """Size of the Snapshot in one piece."""
        return len(self._whole_head) + len(self.data)

    def pieces(self) -> List[Piece]:
        """What gives the whole Snapshot when joined."""
        return [self._whole_head, self.data]

    def chunk_pieces(self, index: int, chunk_bytes: int) -> List[Piece]:
        """The same for one chunk; all but the last hold ``chunk_bytes`` of the data."""
        offset = index * chunk_bytes
        data = self.data[offset : offset + chunk_bytes]
        place = tensor_pb2.Tensor(
            chunk_index=index,
            chunk_count=self.chunk_count(chunk_bytes),
            byte_offset=offset,
        )
        head = self._head + place.SerializeToString()
        if index == 0:
            head += self._mask
        return [self._frame(head, len(data)), data]

    def chunk_count(self, chunk_bytes: int) -> int:
        """Chunks of ``chunk_bytes`` that the data takes; at least 1."""
        return max(1, -(-len(self.data) // chunk_bytes))

    def _frame(self, head: bytes, data_bytes: int) -> bytes:
        """A Snapshot up to where ``data_bytes`` of the data follow."""
        data_frame = _TENSOR_DATA + _varint(data_bytes)
        tensor_frame = _SNAPSHOT_TENSOR + _varint(len(head) + len(data_frame) + data_bytes)
        return self._key + tensor_frame + head + data_frame


EncodedSnapshot = Union[EncodedSummary, EncodedTensor]


def encode(key: SnapshotKey, content: Content, width: int) -> EncodedSnapshot:
    """The wire form of what was enqueued; waits for the device that reduces it.

    Args:
        key: what it is.
        content: what it holds.
        width: units that were declared.

    Raises:
        ValueError: a summary is of another width.
        Exception: what its reduction raises.
    """
    if isinstance(content, (EncodedSummary, EncodedTensor)):
        return content
    if isinstance(content, RawTensor):
        return EncodedTensor(key, content)
    summary = cast(PendingSummary, content).resolve()
    if summary.unit_count != width:
        raise ValueError(
            f"{key.signal.name} of {key.layer} has {summary.unit_count} units; "
            f"{width} were declared"
        )
    return EncodedSummary(key, summary)


class Batch:
    """A StreamRequest that holds consecutive snapshots, joined piece by piece.

    Args:
        first_seq: number of the first snapshot.
    """

    def __init__(self, first_seq: int) -> None:
        head = _BATCH_FIRST_SEQ + _varint(first_seq)
        self._pieces: List[Piece] = [head]
        self._body_bytes = len(head)
        self._count = 0

    def __len__(self) -> int:
        """Snapshots."""
        return self._count

    @property
    def wire_bytes(self) -> int:
        """Size of the message."""
        return framed_bytes(self._body_bytes)

    def wire_bytes_with(self, snapshot_bytes: int) -> int:
        """Size of the message if a snapshot of this size were added."""
        return framed_bytes(self._body_bytes + framed_bytes(snapshot_bytes))

    def add(self, pieces: Sequence[Piece]) -> None:
        """The next snapshot: what gives it when joined."""
        size = sum(map(len, pieces))
        self._pieces.append(_BATCH_SNAPSHOTS + _varint(size))
        self._pieces.extend(pieces)
        self._body_bytes += framed_bytes(size)
        self._count += 1

    def message(self) -> bytes:
        """The serialized StreamRequest."""
        return b"".join([_REQUEST_BATCH + _varint(self._body_bytes), *self._pieces])


def framed_bytes(size: int) -> int:
    """Size of a nested message of ``size`` bytes with its tag, which is one byte, and length."""
    return 1 + len(_varint(size)) + size


def gap_message(lost: LostRange) -> bytes:
    """A serialized StreamRequest that declares what will not be sent."""
    gap = ingest_pb2.Gap(**lost._asdict(), reason="dropped by the client")
    message: bytes = ingest_pb2.StreamRequest(gap=gap).SerializeToString()
    return message


def progress_message(report: ProgressReport) -> bytes:
    """A serialized StreamRequest that says how far the training is."""
    progress = ingest_pb2.Progress(
        complete_through_step=report.complete_through_step,
        sampled_steps=report.sampled_steps,
        scalars=[
            ingest_pb2.Scalar(name=name, step=step, value=value)
            for name, step, value in report.scalars
        ],
    )
    message: bytes = ingest_pb2.StreamRequest(progress=progress).SerializeToString()
    return message


def close_message(final_seq: int) -> bytes:
    """A serialized StreamRequest that ends the stream."""
    close = ingest_pb2.Close(final_seq=final_seq)
    message: bytes = ingest_pb2.StreamRequest(close=close).SerializeToString()
    return message


def encode_open(
    options: SenderOptions, layers: Sequence[LayerSpec], launch_token: str, instance_id: int
) -> ingest_pb2.Open:
    """The Open of every stream, but for first_held_seq.

    Requires options that check_options() accepted.
    """
    return ingest_pb2.Open(
        run_id=options.run,
        launch_token=launch_token,
        resume_step=options.resume_step,
        source=options.source,
        source_count=options.source_count,
        labels=dict(options.labels),
        remedy_of=options.remedy_of,
        layers=[_layer(layer) for layer in layers],
        instance_id=instance_id,
    )


def _layer(layer: LayerSpec) -> resources_pb2.Layer:
    message = resources_pb2.Layer(
        name=layer.name,
        # Equal by definition (_vocabulary).
        kind=int(layer.kind),
        activation=int(layer.activation.kind),
        negative_slope=layer.activation.negative_slope,
        alpha=layer.activation.alpha,
        unit_count=layer.unit_count,
        fan_in=layer.fan_in,
        input_unit_count=layer.input_unit_count,
        order=layer.order,
        inputs=layer.inputs,
        norm_before=layer.norm_before,
        residual=layer.residual,
        is_output=layer.is_output,
        data_shard=layer.data_shard,
        data_shards=layer.data_shards,
        cluster_split=layer.cluster_split,
    )
    if layer.unit_range is not None:
        message.unit_range.first, message.unit_range.count = layer.unit_range
    return message


def _snapshot(key: SnapshotKey) -> ingest_pb2.Snapshot:
    return ingest_pb2.Snapshot(
        layer=key.layer,
        signal=int(key.signal),
        phase=int(key.phase),
        step=key.step,
        part=key.part,
    )


def _varint(number: int) -> bytes:
    """Protobuf's variable-length integer."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
