"""What a watcher sees of real models, against the tensors themselves."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any, Callable, List, Tuple

import pytest
import torch
from firekeeper import _modules, _wrappers
from firekeeper._vocabulary import Activation, ActivationSpec, LayerKind, Phase, Signal
from recording import Recording
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

OBSERVATIONS, FIRINGS, CLUSTERS, NON_FINITE = 1, 2, 3, 8


def mlp(*, inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(inplace=inplace), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3)
    )


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int = 3,
    shape: Tuple[int, ...] = (4, 6),
) -> List[float]:
    generator = torch.Generator().manual_seed(7)
    losses = []
    for _ in range(steps):
        x = torch.randn(shape, generator=generator)
        loss = model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


def sgd(model: nn.Module, rate: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=rate)


def firings_of(values: torch.Tensor, unit_axis: int) -> List[int]:
    axes = [axis for axis in range(values.dim()) if axis != unit_axis % values.dim()]
    fired: List[int] = (values > 0).sum(dim=axes).tolist()
    return fired


def test_layers_are_named_after_their_activation_and_hold_the_weights_before_it() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 1)

    first, second, last = recording.sender.layers
    assert [first.name, second.name, last.name] == ["1", "3", "4"]
    assert (first.unit_count, first.fan_in, first.input_unit_count) == (8, 6, 6)
    assert first.activation.kind == Activation.RELU
    assert first.kind == LayerKind.DENSE
    assert (first.inputs, second.inputs, last.inputs) == ((), ("1",), ("3",))
    assert last.activation.kind == Activation.LINEAR
    assert [each.is_output for each in recording.sender.layers] == [False, False, True]


def test_every_signal_of_a_layer_is_observed_at_every_sampled_step() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 3)

    for signal in Signal:
        expected = {Signal.TARGET: [], Signal.INPUT: [0, 1, 2]}.get(signal, [0, 1, 2])
        assert [each.step for each in recording.sender.of("1", signal)] == expected, signal
    assert recording.sender.of("3", Signal.INPUT) == []
    assert recording.sender.done == [0, 1, 2]
    assert recording.watcher.problems == {}


@pytest.mark.parametrize("inplace", [False, True])
def test_firings_are_those_of_the_values(inplace: bool) -> None:
    model = mlp(inplace=inplace)
    optimizer = sgd(model)
    seen: List[List[int]] = []
    model[0].register_forward_hook(lambda _, __, out: seen.append(firings_of(out, 1)))
    recording = Recording(model, optimizer)

    train(model, optimizer, 3)

    for signal in (Signal.PRE_ACTIVATION, Signal.ACTIVATION):
        assert [each.counts(FIRINGS) for each in recording.sender.of("1", signal)] == seen
    assert recording.sender.of("1", Signal.ACTIVATION)[0].counts(CLUSTERS) == [4] * 8


def test_steps_that_are_not_sampled_are_left_out() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer, every=16)

    train(model, optimizer, 40)

    steps = [each.step for each in recording.sender.of("1", Signal.ACTIVATION)]
    assert steps == [*range(11), 16, 20, 32]
    assert recording.sender.done == list(range(40))


def test_the_update_is_what_the_step_did() -> None:
    model = mlp()
    optimizer = sgd(model, 0.5)
    before = model[0].weight.detach().clone()
    recording = Recording(model, optimizer)

    train(model, optimizer, 1)

    update = model[0].weight.detach() - before
    seen = recording.sender.of("1", Signal.WEIGHT_UPDATE)[0]
    assert seen.counts(FIRINGS) == firings_of(update, 0)
    assert recording.sender.of("1", Signal.WEIGHT)[0].counts(FIRINGS) == firings_of(before, 0)


class Twice(nn.Module):
    """One module called two times in a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.inner(self.act(self.inner(x))))


def test_a_module_called_twice_is_two_layers() -> None:
    model = Twice()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 2)

    assert [each.name for each in recording.sender.layers] == ["act", "act:1"]
    assert len(recording.sender.of("act", Signal.ACTIVATION)) == 2
    assert len(recording.sender.of("act:1", Signal.ACTIVATION)) == 2
    assert recording.sender.layers[1].inputs == ("act",)


def test_micro_batches_are_parts_of_one_step() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    for _ in range(2):
        optimizer.zero_grad()
        for _ in range(3):
            model(torch.randn(4, 6)).sum().backward()
        optimizer.step()

    keys = [(each.step, each.part) for each in recording.sender.of("1", Signal.ACTIVATION)]
    assert keys == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    gradients = [
        (each.step, each.part) for each in recording.sender.of("1", Signal.OUTPUT_GRADIENT)
    ]
    assert gradients == keys


class Checkpointed(nn.Module):
    """The middle of the network is computed again in the backward pass."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.middle = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        self.last = nn.Linear(6, 2)
        self.reentrant = reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = checkpoint(self.middle, self.first(x), use_reentrant=self.reentrant)
        return self.last(x)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_layer_counts_once(reentrant: bool) -> None:
    model = Checkpointed(reentrant)
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 3)

    for signal in (Signal.ACTIVATION, Signal.OUTPUT_GRADIENT):
        steps = [each.step for each in recording.sender.of("middle.1", signal)]
        assert steps == [0, 1, 2], signal


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_layer_stands_where_it_runs_forward(reentrant: bool) -> None:
    model = Checkpointed(reentrant)
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 1)

    layers = [(each.name, each.inputs, each.is_output) for each in recording.sender.layers]
    assert layers == [
        ("first", (), False),
        ("middle.1", ("first",), False),
        ("last", ("middle.1",), True),
    ]


def test_evaluation_is_left_out() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    train(model, optimizer, 1)

    model.eval()
    model(torch.randn(4, 6))
    model.train()
    with torch.no_grad():
        model(torch.randn(4, 6))
    train(model, optimizer, 1)

    seen = recording.sender.of("1", Signal.ACTIVATION)
    assert [(each.step, each.part) for each in seen] == [(0, 0), (1, 0)]


def test_training_is_the_same_to_the_bit() -> None:
    plain, watched = mlp(inplace=True), mlp(inplace=True)
    optimizers = [torch.optim.Adam(each.parameters(), 1e-2) for each in (plain, watched)]
    Recording(watched, optimizers[1])

    assert train(plain, optimizers[0], 30) == train(watched, optimizers[1], 30)
    for left, right in zip(plain.parameters(), watched.parameters()):
        assert torch.equal(left, right)


def test_a_copy_of_a_watched_model_is_not_watched() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    train(model, optimizer, 1)
    count = len(recording.sender.seen)

    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        train(other, sgd(other), 1)
    buffer = io.BytesIO()
    torch.save(model, buffer)

    assert len(recording.sender.seen) == count
    assert list(model.state_dict()) == list(mlp().state_dict())


def test_a_scheduler_goes_on_to_work() -> None:
    model = mlp()
    optimizer = sgd(model, 1.0)
    before = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    recording = Recording(model, optimizer)
    after = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)

    train(model, optimizer, 1)
    before.step()
    after.step()
    train(model, optimizer, 1)

    rates = [value for name, _, value in recording.sender.scalars if name == "learning_rate"]
    assert rates[0] == 1.0 and rates[1] < 1.0
    assert recording.sender.done == [0, 1]


def test_closing_leaves_the_model_and_the_optimizer_as_they_were() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    train(model, optimizer, 2)

    assert recording.watcher.close()

    count = len(recording.sender.seen)
    train(model, optimizer, 2)
    assert len(recording.sender.seen) == count
    assert all(not each._forward_hooks for each in model.modules())
    assert all(not each._forward_pre_hooks for each in model.modules())
    assert "step" not in optimizer.__dict__


class Convolutions(nn.Module):
    """Batch norm, flatten, and channels that are units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(4 * 36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.norm(self.conv(x))).flatten(1))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_units_of_a_convolution_are_its_channels(layout: torch.memory_format) -> None:
    model = Convolutions().to(memory_format=layout)
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    x = torch.randn(5, 2, 6, 6).to(memory_format=layout)
    model(x).sum().backward()
    optimizer.step()

    act, head = recording.sender.layers
    assert (act.name, act.unit_count, act.fan_in, act.input_unit_count) == ("act", 4, 18, 2)
    assert act.norm_before and head.inputs == ("act",)
    seen = recording.sender.of("act", Signal.ACTIVATION)[0]
    assert seen.counts(OBSERVATIONS) == [180] * 4 and seen.counts(CLUSTERS) == [5] * 4


class Residual(nn.Module):
    """y = x + f(x), twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 6)
        self.up = nn.ModuleList(nn.Linear(6, 12) for _ in range(2))
        self.act = nn.ModuleList(nn.ReLU() for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(12, 6) for _ in range(2))
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for up, act, down in zip(self.up, self.act, self.down):
            x = x + down(act(up(x)))
        return self.head(x)


def test_a_residual_connection_is_seen() -> None:
    model = Residual()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 1)

    passed = {each.name: each.residual for each in recording.sender.layers}
    assert passed == {
        "embed": False,
        "act.0": True,
        "down.0": True,
        "act.1": True,
        "down.1": True,
        "head": False,
    }


class Functional(nn.Module):
    """The activation is a function call."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.fc2 = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(functional.relu(self.fc1(x)))


def test_a_functional_activation_is_taken_from_the_user() -> None:
    model = Functional()
    optimizer = sgd(model)
    relu = ActivationSpec(Activation.RELU)
    recording = Recording(model, optimizer, functional={"fc1": relu})

    train(model, optimizer, 2)

    first, second = recording.sender.layers
    assert first.activation == relu and second.inputs == ("fc1",)
    assert len(recording.sender.of("fc1", Signal.PRE_ACTIVATION)) == 2
    assert recording.sender.of("fc1", Signal.ACTIVATION) == []


def test_the_units_of_a_transformer_layer_of_torch_are_rectified() -> None:
    torch.manual_seed(1)
    block = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    model = nn.Sequential(nn.Linear(6, 8), nn.TransformerEncoder(block, num_layers=2))
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 2, shape=(4, 3, 6))

    layers = {each.name: each for each in recording.sender.layers}
    for number in (0, 1):
        hidden = layers[f"1.layers.{number}.linear1"]
        assert hidden.activation == ActivationSpec(Activation.RELU)
        assert (hidden.unit_count, hidden.fan_in) == (16, 8)
        assert layers[f"1.layers.{number}.self_attn"].kind == LayerKind.ATTENTION
        norm = layers[f"1.layers.{number}.norm1"]
        assert norm.kind == LayerKind.NORMALIZATION and norm.norm_before
        assert len(recording.sender.of(norm.name, Signal.ACTIVATION)) == 2
    first = recording.sender.of("1.layers.0.linear1", Signal.PRE_ACTIVATION, step=0)[0]
    assert 0 < sum(first.counts(FIRINGS)) < 16 * 4 * 3


def test_wrappers_leave_the_names_of_layers_alone() -> None:
    model = mlp()
    model[2] = checkpoint_wrapper(model[2])
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 1)

    assert [each.name for each in recording.sender.layers] == ["1", "3", "4"]
    assert recording.sender.layers[1].fan_in == 8


def test_what_hooks_cannot_see_is_said() -> None:
    class Compiled(nn.Module):
        """The shape of what torch.compile of torch 2 gives."""

        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self._orig_mod = inner

    assert list(_wrappers.caveats(mlp())) == []
    assert [kind for kind, _ in _wrappers.caveats(Compiled(mlp()))] == ["compiled"]
    scripted = nn.Sequential(torch.jit.script(mlp()), nn.ReLU())
    ((kind, text),) = _wrappers.caveats(scripted)
    assert kind == "scripted" and text.startswith("0 is a ScriptModule")


def test_frozen_and_shared_weights_are_observed_once_a_layer() -> None:
    model = mlp()
    model[0].weight.requires_grad_(False)
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 2)

    assert len(recording.sender.of("1", Signal.WEIGHT)) == 2
    assert recording.sender.of("1", Signal.WEIGHT_GRADIENT) == []
    assert recording.sender.of("1", Signal.WEIGHT_UPDATE) == []
    assert recording.watcher.problems == {}


def test_patterns_choose_the_layers() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer, exclude=["4"])

    train(model, optimizer, 2)

    assert [each.name for each in recording.sender.layers] == ["1", "3"]


def test_an_exception_of_the_model_reaches_the_user_and_nothing_else_breaks() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    train(model, optimizer, 1)

    with pytest.raises(RuntimeError):
        model(torch.randn(4, 7))
    train(model, optimizer, 1)

    assert [each.step for each in recording.sender.of("4", Signal.ACTIVATION)] == [0, 1]


def test_an_exception_of_ours_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(recording.watcher._observer._reducer, "reduce", broken)
    train(model, optimizer, 2)

    assert recording.watcher.problems["error"] > 0


def test_a_scaled_loss_gives_gradients_of_the_loss() -> None:
    class Scaler:
        """As torch.cuda.amp.GradScaler, for a loss scaled by hand."""

        def get_scale(self) -> float:
            return 1024.0

    model = mlp()
    optimizer = sgd(model)
    plain = Recording(model, optimizer)
    model(torch.ones(4, 6)).sum().backward()
    optimizer.zero_grad()
    model(torch.ones(4, 6)).sum().backward()
    plain.watcher.close()
    scaled_model = mlp()
    scaled_optimizer = sgd(scaled_model)
    scaled = Recording(scaled_model, scaled_optimizer, scaler=Scaler())
    (scaled_model(torch.ones(4, 6)).sum() * 1024.0).backward()
    scaled.watcher.close()

    left = plain.sender.of("4", Signal.OUTPUT_GRADIENT)[0].summary.columns
    right = scaled.sender.of("4", Signal.OUTPUT_GRADIENT)[0].summary.columns
    assert left == right


@pytest.mark.parametrize("make", [lambda: mlp(), lambda: Twice()])
def test_birth_and_probe_change_nothing(make: Callable[[], nn.Module]) -> None:
    model = make()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    state = copy.deepcopy(model.state_dict())
    random = torch.random.get_rng_state()
    batches = [(torch.randn(4, 6, generator=torch.Generator().manual_seed(i)),) for i in range(3)]

    recording.watcher.birth(batches)
    recording.watcher.probe(batches)

    name = recording.sender.layers[0].name
    births = recording.sender.of(name, Signal.ACTIVATION, phase=Phase.BIRTH)
    assert [each.part for each in births] == [0, 1, 2]
    assert len(recording.sender.of(name, Signal.ACTIVATION, phase=Phase.PROBE)) == 3
    assert recording.sender.of(name, Signal.OUTPUT_GRADIENT) == []
    assert torch.equal(torch.random.get_rng_state(), random) and model.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])
    train(model, optimizer, 1)
    assert len(recording.sender.of(name, Signal.ACTIVATION)) == 1


def test_bfloat16_autocast_is_observed_as_it_is() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(torch.randn(4, 6)).float().sum()
    loss.backward()
    optimizer.step()

    assert recording.watcher.problems == {}
    assert recording.sender.of("1", Signal.ACTIVATION)[0].counts(NON_FINITE) == [0] * 8


def test_a_batch_of_nothing_is_no_observation() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 1, shape=(0, 6))

    seen = recording.sender.of("1", Signal.ACTIVATION)[0]
    assert seen.counts(OBSERVATIONS) == [0] * 8


def test_padding_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    valid = torch.tensor([[True, True, False], [True, False, False]])

    recording.watcher.padding_mask(valid)
    train(model, optimizer, 1, shape=(2, 3, 6))

    assert recording.sender.of("1", Signal.ACTIVATION)[0].counts(OBSERVATIONS) == [3] * 8


class Gate(nn.Module):
    """A router that lets the best of the experts through."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        best = x.argmax(-1, keepdim=True)
        return torch.zeros_like(x).scatter(-1, best, 1.0) * x.softmax(-1)


def test_a_module_that_users_register_is_a_layer() -> None:
    _modules.register_module(Gate, ActivationSpec(Activation.SOFTMAX_EXPERTS))
    model = nn.Sequential(nn.Linear(6, 4), Gate())
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    train(model, optimizer, 1)

    (layer,) = recording.sender.layers
    assert layer.activation.kind == Activation.SOFTMAX_EXPERTS
    assert sum(recording.sender.of("1", Signal.ACTIVATION)[0].counts(FIRINGS)) == 4


def test_two_models_of_one_process_do_not_mix() -> None:
    first, second = mlp(), Twice()
    optimizers = [sgd(first), sgd(second)]
    recordings = [Recording(first, optimizers[0]), Recording(second, optimizers[1])]

    train(first, optimizers[0], 2)
    train(second, optimizers[1], 1)

    assert recordings[0].sender.done == [0, 1]
    assert recordings[1].sender.done == [0]
