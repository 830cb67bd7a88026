"""The JSON of a real run over HTTP is that of gRPC."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import grpc
import pytest
from firekeeper.v1 import diagnostics_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

import processes
import wire


def get(server: processes.Server, method: str, **parameters: str) -> dict[str, Any]:
    query = urllib.parse.urlencode(parameters)
    url = f"http://127.0.0.1:{server.http_port}/api/v1/{method}?{query}"
    with urllib.request.urlopen(url, timeout=30) as response:
        assert response.headers["Content-Type"] == "application/json"
        answer: dict[str, Any] = json.load(response)
    return answer


def test_it_answers_what_grpc_answers(server: processes.Server) -> None:
    trained = processes.run(
        "digits_trainer",
        f"--endpoint={server.endpoint}",
        "--run=team/digits",
        "--learning-rate=0.05",
        "--epochs=10",
        "--quiet",
    )
    assert trained.returncode == 0, trained.stderr
    run = {"run_id": "team/digits"}
    layer = {**run, "layer": "hidden.0"}
    loss = {**run, "name": "loss"}
    by_rate = {**layer, "order": "UNIT_ORDER_FIRING_RATE"}
    rates = {**layer, "figure": "UNIT_FIGURE_FIRING_RATE"}
    values = {**layer, "signal": "SIGNAL_ACTIVATION"}
    questions: list[tuple[str, Message, dict[str, str]]] = [
        ("ListRuns", diagnostics_pb2.ListRunsRequest(), {}),
        ("GetRun", diagnostics_pb2.GetRunRequest(**run), run),
        ("ListLayers", diagnostics_pb2.ListLayersRequest(**run), run),
        ("GetLayer", diagnostics_pb2.GetLayerRequest(**layer), layer),
        ("ListUnits", diagnostics_pb2.ListUnitsRequest(**layer), layer),
        ("ListUnits", diagnostics_pb2.ListUnitsRequest(**by_rate), by_rate),
        ("GetUnitMap", diagnostics_pb2.GetUnitMapRequest(**run), run),
        ("GetHistogram", diagnostics_pb2.GetHistogramRequest(**rates), rates),
        ("GetDistribution", diagnostics_pb2.GetDistributionRequest(**values), values),
        ("GetScalar", diagnostics_pb2.GetScalarRequest(**loss), loss),
        ("DiagnoseRun", diagnostics_pb2.DiagnoseRunRequest(**run), run),
        ("ListEvents", diagnostics_pb2.ListEventsRequest(**run), run),
    ]
    with grpc.insecure_channel(server.endpoint) as channel:
        stub = wire.diagnostics(channel)
        for method, request, parameters in questions:
            over_grpc = json_format.MessageToDict(getattr(stub, method)(request))
            # Read as messages: the two libraries write floats with other digits.
            answer = get(server, method, **parameters)
            assert answer.keys() == over_grpc.keys(), method
            response = getattr(diagnostics_pb2, f"{method}Response")
            parsed = json_format.ParseDict(answer, response())
            assert json_format.MessageToDict(parsed) == over_grpc, method


def test_a_refusal_names_the_field(server: processes.Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(server, "ListRuns", pageSize="-1")

    assert refused.value.code == 400
    error = json.load(refused.value)["error"]
    assert (error["status"], error["field"]) == ("INVALID_ARGUMENT", "page_size")
