"""A snapshot that ends the server again and again is refused in the end."""

from __future__ import annotations

import pathlib
import signal

import grpc
import processes
import pytest
import wire
from test_server_kills import start


def test_a_snapshot_that_kills_three_times_is_quarantined(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[1.0, 0.0, 2.0, 3.0]] * 8
    monkeypatch.setenv("FIREKEEPER_FAILPOINT", "merge.begin:1")
    for _ in range(3):
        server = start(tmp_path)
        with grpc.insecure_channel(server.endpoint) as channel:
            stream = wire.Stream(channel)
            stream.send(wire.open_message(), wire.batch(1, 0, rows))
            assert server.process is not None
            assert server.process.wait(timeout=30) == -signal.SIGKILL
    monkeypatch.delenv("FIREKEEPER_FAILPOINT")

    server = start(tmp_path)
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(wire.open_message())
        assert stream.receive().opened.accepted_seq == 0
        stream.send(wire.batch(1, 0, rows), wire.batch(2, 1, rows), wire.close(2))
        rejects = [answer.reject for answer in stream.call if answer.HasField("reject")]

    assert [reject.seq for reject in rejects] == [1]
    assert "3 ends of the server" in rejects[0].status.message
    assert "firekeeper_store_quarantined_snapshots 1" in server.metrics()
    assert "snapshot_quarantined" in server.log()
    assert server.stop() == 0, server.log()


def test_a_snapshot_that_was_there_by_chance_is_not(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ends, then it is folded in; a third end is none of its doing."""
    rows = [[1.0, 0.0, 2.0, 3.0]] * 8
    for place in ("merge.begin:1", "merge.begin:1", "", "merge.begin:1"):
        if place:
            monkeypatch.setenv("FIREKEEPER_FAILPOINT", place)
        else:
            monkeypatch.delenv("FIREKEEPER_FAILPOINT")
        server = processes.Server(
            tmp_path, f"--data-dir={tmp_path / 'data'}", "--commit-interval-milliseconds=10000"
        ).start()
        with grpc.insecure_channel(server.endpoint) as channel:
            stream = wire.Stream(channel)
            stream.send(wire.open_message(), wire.batch(1, 0, rows))
            if not place:
                stream.receive_ack(1)
                server.kill()
                continue
            assert server.process is not None
            assert server.process.wait(timeout=30) == -signal.SIGKILL
    monkeypatch.delenv("FIREKEEPER_FAILPOINT")

    server = start(tmp_path)
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(wire.open_message(), wire.batch(1, 0, rows))
        assert stream.receive_ack(1).accepted_seq == 1
    assert server.stop() == 0, server.log()
