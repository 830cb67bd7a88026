"""A stranger's client, written from the protos alone, against the real server."""

from __future__ import annotations

from typing import Any

import grpc
from firekeeper.v1 import diagnostics_pb2, resources_pb2

import processes
import wire


def state_names(verdicts: list[object]) -> list[str]:
    return [resources_pb2.HealthState.Name(unit.state) for unit in verdicts]  # type: ignore[attr-defined]


def test_a_silent_unit_becomes_dead_only_with_its_certificate(server: processes.Server) -> None:
    rows = [[1.0, 0.0, 2.0, 3.0]] * 64
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(wire.open_message())
        assert stream.receive().opened.attempt == 1

        stream.send(wire.batch(1, 0, rows), wire.progress(0))
        stream.receive_ack(1)

        def judged() -> list[Any]:
            verdicts = wire.units(channel, "run")
            return verdicts if verdicts and verdicts[1].silent_observations else []

        early = processes.wait_for("a verdict on the first window", judged)
        assert state_names(early)[1] == "HEALTH_STATE_SILENT"
        assert 0 < early[1].rate_upper_bound < 1

        for step in range(1, 1025):
            stream.send(wire.batch(step + 1, step, rows))
        stream.send(wire.progress(1024))
        stream.receive_ack(1025)

        def dead() -> bool:
            return state_names(wire.units(channel, "run"))[1] == "HEALTH_STATE_DEAD"

        processes.wait_for("the certificate", dead)
        verdicts = wire.units(channel, "run")
        # The others are always on, which is as certain as the death.
        always_on = "HEALTH_STATE_LINEARISED"
        assert state_names(verdicts) == [always_on, "HEALTH_STATE_DEAD", always_on, always_on]
        assert resources_pb2.HEALTH_STATE_ALIVE in verdicts[0].also
        assert not verdicts[1].HasField("last_firing_step")
        assert verdicts[1].certified_step > 0
        assert verdicts[1].silent_observations >= 64 * 512

        stream.send(wire.close(1025))
        assert stream.end() == grpc.StatusCode.OK
        run = wire.diagnostics(channel).GetRun(diagnostics_pb2.GetRunRequest(run_id="run")).run
        assert run.state == resources_pb2.RUN_STATE_ENDED
        assert run.counters.snapshots_accepted == 1025


def test_nan_is_not_dead(server: processes.Server) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(wire.open_message())
        for step in range(200):
            stream.send(wire.batch(step + 1, step, [[1.0, float("nan"), 0.0, 1.0]] * 64))
        stream.send(wire.progress(199), wire.close(200))
        assert stream.end() == grpc.StatusCode.OK
        assert state_names(wire.units(channel, "run"))[1] == "HEALTH_STATE_NON_FINITE"


def test_a_missing_rank_is_unknown_not_dead(server: processes.Server) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        opening = wire.open_message()
        opening.open.source_count = 2
        stream.send(opening)
        for step in range(1024):
            stream.send(wire.batch(step + 1, step, [[1.0, 0.0, 1.0, 1.0]] * 64))
        stream.send(wire.progress(1023), wire.close(1024))
        assert stream.end() == grpc.StatusCode.OK
        silent = wire.units(channel, "run")[1]
        assert resources_pb2.HealthState.Name(silent.state) == "HEALTH_STATE_UNKNOWN"
        assert "1 of 2" in silent.reason


def test_the_server_says_what_it_promises(server: processes.Server) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        stub = wire.diagnostics(channel)
        info = stub.GetServerInfo(diagnostics_pb2.GetServerInfoRequest())
        assert info.durability == 1  # NONE
        assert info.diagnosis_available
