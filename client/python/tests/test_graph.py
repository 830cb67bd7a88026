"""Which layer feeds which."""

from __future__ import annotations

from typing import Dict, List

import torch
from firekeeper import _graph, _modules
from torch import nn


def record(model: nn.Module, x: torch.Tensor) -> _graph.Graph:
    """The calls of one forward pass."""
    graph = _graph.Graph()
    nodes: Dict[str, _graph.Node] = {}

    def attach(path: str, module: nn.Module, info: _modules.ModuleInfo) -> None:
        def enter(_: nn.Module, arguments: List[torch.Tensor]) -> None:
            nodes[path] = graph.enter((path, 0), info, module, arguments[0])

        def leave(_: nn.Module, __: object, output: torch.Tensor) -> None:
            graph.leave(nodes[path], output)

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)

    for path, module in model.named_modules():
        info = _modules.info_of(module)
        if info is not None:
            attach(path, module, info)
    model(x)
    return graph


def test_views_and_functions_between_two_layers_are_looked_through() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.fc = nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(nn.functional.max_pool2d(self.conv(x), 2).relu().flatten(1) * 2.0)

    graph = record(Model(), torch.randn(3, 1, 6, 6))

    assert graph.nodes[("fc", 0)].sources == [graph.nodes[("conv", 0)]]


def test_an_activation_takes_the_affine_module_before_it_through_norms() -> None:
    model = nn.Sequential(nn.Conv1d(2, 4, 1), nn.BatchNorm1d(4), nn.ReLU(inplace=True))

    graph = record(model, torch.randn(3, 2, 5))

    relu = graph.nodes[("2", 0)]
    assert _graph.affine_of(relu) is graph.nodes[("0", 0)]
    assert _graph.has_norm_before(relu)
    assert relu.unit_axis == -2
    assert _graph.place_of(graph.nodes[("0", 0)]) is relu


def test_a_norm_is_a_layer_where_no_other_layer_holds_it() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.of_data = nn.BatchNorm1d(4)
            self.fc0 = nn.Linear(4, 4)
            self.fc1 = nn.Linear(4, 4)
            self.of_affine = nn.LayerNorm(4)
            self.of_sum = nn.LayerNorm(4)
            self.fc2 = nn.Linear(4, 4)
            self.of_both = nn.LayerNorm(4)
            self.relu = nn.ReLU()
            self.fc3 = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.of_affine(self.fc1(self.of_data(x))) + self.fc0(x)
            h = h + self.fc2(self.of_sum(h))
            return self.fc3(self.relu(self.of_both(h)))

    graph = record(Model(), torch.randn(3, 4))

    layers = {path: _graph.place_of(node) for (path, _), node in graph.nodes.items()}
    assert layers["of_data"] is None and layers["of_affine"] is None
    assert layers["of_sum"] is graph.nodes[("of_sum", 0)]
    assert layers["of_both"] is graph.nodes[("relu", 0)]
    inputs = _graph.inputs_of(graph.nodes[("relu", 0)])
    assert [each.key[0] for each in inputs] == ["fc1", "fc0", "fc2"]


def test_an_affine_module_has_one_activation_only() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.relu = nn.ReLU()
            self.tanh = nn.Tanh()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            z = self.fc(x)
            return self.relu(z) + self.tanh(z)

    graph = record(Model(), torch.randn(3, 4))

    assert _graph.affine_of(graph.nodes[("relu", 0)]) is graph.nodes[("fc", 0)]
    assert _graph.affine_of(graph.nodes[("tanh", 0)]) is None


def test_a_network_without_a_graph_is_known_by_its_tensors() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    with torch.no_grad():
        graph = record(model, torch.randn(3, 4))

    assert graph.nodes[("1", 0)].sources == [graph.nodes[("0", 0)]]


def test_a_chain_has_no_residual_connection() -> None:
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(4)])

    graph = record(model, torch.randn(3, 4))

    places = [node for node in graph.nodes.values() if _graph.place_of(node) is node]
    assert len(places) == 4
    assert _graph.residual_places(places) == set()


def test_many_residual_blocks_are_found_in_reasonable_time() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
                for _ in range(48)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                x = x + block(x)
            return x

    graph = record(Model(), torch.randn(2, 4))

    places = [node for node in graph.nodes.values() if _graph.place_of(node) is node]
    passed = {path for path, _ in _graph.residual_places(places)}
    # Nothing reads the last block, and nothing is before the first.
    assert {f"blocks.{i}.2" for i in range(1, 47)} <= passed
