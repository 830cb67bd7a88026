"""What real trainers do that a straight loop does not."""

from __future__ import annotations

import dataclasses
import gc
import subprocess
import sys
import weakref
from typing import Any, Callable, Dict, List, Optional, Tuple

import firekeeper
import pytest
import torch
from firekeeper import _launch_token
from firekeeper._vocabulary import Phase, Signal
from recording import Recorded, Recording
from reduction_cases import decode
from torch import nn
from torch.utils.checkpoint import checkpoint

OBSERVATIONS, FIRINGS, ABS_SUM = 1, 2, 9


def mlp(*, inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=inplace), nn.Linear(8, 3))


def sgd(model: nn.Module, rate: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=rate)


def data(*shape: int, seed: int = 7) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> None:
    optimizer.zero_grad()
    model(x).pow(2).mean().backward()
    optimizer.step()


def keys(seen: List[Recorded]) -> List[Tuple[int, int]]:
    return [(each.step, each.part) for each in seen]


def magnitude(seen: Recorded) -> float:
    """Sum of |v| over all units."""
    return sum(decode(seen.summary)[ABS_SUM])


class Axes(nn.Module):
    """A convolution, something added, an activation."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.again = type(conv)(4, 4, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv(x)
        return self.act(self.again(h) + h)


@pytest.mark.parametrize(
    ("conv", "shape"),
    [
        (nn.Conv1d(4, 4, 3, padding=1), (2, 4, 9)),
        (nn.Conv2d(4, 4, 3, padding=1), (2, 4, 5, 6)),
        (nn.Conv2d(4, 4, 3, padding=1), (4, 5, 6)),
        (nn.Conv3d(4, 4, 3, padding=1), (2, 4, 5, 6, 7)),
    ],
)
def test_units_of_a_sum_of_convolutions_are_its_channels(
    conv: nn.Module, shape: Tuple[int, ...]
) -> None:
    model = Axes(conv)
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    step(model, optimizer, data(*shape))

    assert {each.name: each.unit_count for each in recording.sender.layers} == {
        "conv": 4,
        "again": 4,
        "act": 4,
    }


def test_a_layer_norm_counts_its_last_axis() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 16)
            self.b = nn.Linear(3, 16)
            self.norm = nn.LayerNorm(16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.a(x) + self.b(x))

    model = Model()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    step(model, optimizer, data(2, 7, 7, 3))

    assert recording.sender.layers[-1].unit_count == 16


def test_an_axis_that_nothing_tells_is_asked_for() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(60, 2))
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    step(model, optimizer, data(2, 3, 4, 5))

    assert [each.name for each in recording.sender.layers] == ["2"]
    assert recording.watcher.problems["axis"] > 0


def test_each_optimizer_takes_care_of_its_own_parameters() -> None:
    first, second = mlp(), mlp()
    model = nn.Sequential(first, nn.Linear(3, 6), second)
    optimizers = [sgd(first), torch.optim.SGD([*model[1].parameters(), *second.parameters()], 0.1)]
    recording = Recording(model, *optimizers)
    weights = [first[0].weight.detach().clone(), second[0].weight.detach().clone()]

    for optimizer in optimizers:
        optimizer.zero_grad()
    model(data(4, 6)).pow(2).mean().backward()
    for optimizer in optimizers:
        optimizer.step()

    for layer, module, before in (("0.1", first, weights[0]), ("2.1", second, weights[1])):
        (update,) = recording.sender.of(layer, Signal.WEIGHT_UPDATE)
        expected = (module[0].weight.detach() - before).abs().sum()
        assert magnitude(update) == pytest.approx(float(expected), rel=1e-3)
        assert keys(recording.sender.of(layer, Signal.WEIGHT)) == [(0, 0)]
    assert [name for name, _, _ in recording.sender.scalars].count("gradient_norm") == 1


def test_a_loss_scale_that_changes_is_that_of_its_own_backward() -> None:
    class Scaler:
        scale = 1024.0

        def get_scale(self) -> float:
            return self.scale

    scaler = Scaler()
    model = mlp()
    optimizer = sgd(model, 0.0)
    recording = Recording(model, optimizer, scaler=scaler)
    x = data(4, 6)
    for scale in (1024.0, 2048.0, 512.0):
        scaler.scale = scale
        optimizer.zero_grad()
        (model(x).pow(2).mean() * scale).backward()
        optimizer.step()

    sums = [magnitude(each) for each in recording.sender.of("1", Signal.OUTPUT_GRADIENT)]
    assert sums[1] == pytest.approx(sums[0]) and sums[2] == pytest.approx(sums[0])
    scales = [value for name, _, value in recording.sender.scalars if name == "loss_scale"]
    assert scales == [1024.0, 2048.0, 512.0]


@pytest.mark.parametrize("no_grad", [True, False])
def test_many_evaluation_passes_are_left_out_without_a_word(no_grad: bool) -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    for _ in range(2):
        step(model, optimizer, data(4, 6))
        model.eval()
        with torch.set_grad_enabled(not no_grad):
            for _ in range(3):
                model(data(5, 6))
        model.train()

    assert recording.watcher.problems == {}
    assert keys(recording.sender.of("1", Signal.ACTIVATION)) == [(0, 0), (1, 0)]


class Wrapped(nn.Module):
    """Its middle is checkpointed, its output an object."""

    def __init__(self, reentrant: bool, as_object: bool) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.middle = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        self.last = nn.Linear(6, 2)
        self.reentrant = reentrant
        self.as_object = as_object

    def forward(self, x: torch.Tensor) -> Any:
        x = checkpoint(self.middle, self.first(x), use_reentrant=self.reentrant)
        return Output(self.last(x)) if self.as_object else self.last(x)


@dataclasses.dataclass
class Output:
    """What some libraries return."""

    logits: torch.Tensor


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_model_called_twice_before_its_backward(reentrant: bool) -> None:
    model = Wrapped(reentrant, as_object=False)
    optimizer = sgd(model, 0.0)
    recording = Recording(model, optimizer)
    batches = [data(4, 6, seed=1), data(4, 6, seed=2)]
    for _ in range(2):
        optimizer.zero_grad()
        sum(model(x).pow(2).mean() for x in batches).backward()
        optimizer.step()

    assert [each.name for each in recording.sender.layers] == ["first", "middle.1", "last"]
    seen = {
        (each.step, each.part): each for each in recording.sender.of("middle.1", Signal.ACTIVATION)
    }
    assert sorted(seen) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with torch.no_grad():
        for part, x in enumerate(batches):
            fired = (model.middle(model.first(x)) > 0).sum(0).tolist()
            assert seen[0, part].counts(FIRINGS) == seen[1, part].counts(FIRINGS) == fired
    assert recording.watcher.problems == {}


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_in_a_model_that_returns_an_object(reentrant: bool) -> None:
    model = Wrapped(reentrant, as_object=True)
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        model(data(4, 6)).logits.pow(2).mean().backward()
        optimizer.step()

    assert [each.name for each in recording.sender.layers] == ["first", "middle.1", "last"]
    assert keys(recording.sender.of("middle.1", Signal.ACTIVATION)) == [(0, 0), (1, 0)]


def test_a_probe_between_micro_batches_hides_none() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    for _ in range(2):
        for number in range(3):
            model(data(4, 6)).pow(2).mean().backward()
            if number < 2:
                recording.watcher.probe([data(5, 6)])
        optimizer.step()
        optimizer.zero_grad()

    trained = keys(recording.sender.of("1", Signal.ACTIVATION))
    assert trained == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    probed = keys(recording.sender.of("1", Signal.ACTIVATION, phase=Phase.PROBE))
    assert probed == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_second_backward_over_one_forward_is_said() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    output = model(data(4, 6))
    output.pow(2).mean().backward(retain_graph=True)
    output.sum().backward()
    optimizer.step()

    assert keys(recording.sender.of("1", Signal.OUTPUT_GRADIENT)) == [(0, 0)]
    assert recording.watcher.problems["backward"] > 0


def test_the_gradient_of_an_activation_in_place_is_its_own() -> None:
    firings: List[List[List[int]]] = []
    for inplace in (True, False):
        model = mlp(inplace=inplace)
        optimizer = sgd(model)
        recording = Recording(model, optimizer)
        for _ in range(2):
            step(model, optimizer, data(16, 6))
        seen = recording.sender.of("1", Signal.OUTPUT_GRADIENT)
        firings.append([each.counts(FIRINGS) for each in seen])

    assert firings[0] == firings[1]
    assert firings[0][0] == [16] * 8


def test_what_is_left_out_does_not_make_another_layer_the_output() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    for options in ({"exclude": ["4"]}, {"include": ["3"]}):
        optimizer = sgd(model)
        recording = Recording(model, optimizer, **options)
        for _ in range(2):
            step(model, optimizer, data(4, 6))
        recording.watcher.close()

        (hidden,) = [each for each in recording.sender.layers if each.name == "3"]
        assert not hidden.is_output and hidden.order == 1
        assert recording.sender.of("3", Signal.INPUT) == []


def test_a_probe_sees_into_torchs_transformer_layers() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.Linear(6, 8), nn.TransformerEncoder(layer, 2), nn.Linear(8, 2))
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    step(model, optimizer, data(4, 3, 6))

    recording.watcher.probe([data(5, 3, 6)])

    seen = recording.sender.of("1.layers.1.linear1", Signal.PRE_ACTIVATION, phase=Phase.PROBE)
    assert [each.counts(OBSERVATIONS) for each in seen] == [[15] * 16]
    assert recording.watcher.problems == {}


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_padding_of_a_gradient_is_that_of_its_forward_pass(batch_first: bool) -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer, batch_first=batch_first)
    valid = torch.tensor([[True, True, False], [True, False, False]])
    x = data(2, 3, 6)
    recording.watcher.padding_mask(valid)
    output = model(x if batch_first else x.transpose(0, 1))
    recording.watcher.padding_mask(None)
    output.pow(2).mean().backward()
    optimizer.step()

    for signal in (Signal.ACTIVATION, Signal.OUTPUT_GRADIENT):
        (seen,) = recording.sender.of("1", signal)
        assert seen.counts(OBSERVATIONS) == [3] * 8, signal


def test_a_step_with_a_closure_leaves_out_what_it_cannot_see() -> None:
    model = mlp()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)
    recording = Recording(model, optimizer)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = model(data(4, 6)).pow(2).mean()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)

    assert recording.sender.of("1", Signal.WEIGHT_GRADIENT) == []
    assert recording.watcher.problems["closure"] == 3
    assert [each.step for each in recording.sender.of("1", Signal.WEIGHT_UPDATE)] == [1, 2]


def test_closing_again_says_the_same() -> None:
    model = mlp()
    optimizer = sgd(model)
    watcher = firekeeper.watch(model, optimizer=optimizer, run="run", endpoint="127.0.0.1:1")
    step(model, optimizer, data(4, 6))

    assert not watcher.close(0.1)
    assert not watcher.close(0.1)


def test_a_loss_is_what_it_was_when_it_was_told() -> None:
    model = mlp()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    running = torch.tensor(0.5)
    recording.watcher.loss(running)
    running.zero_()
    step(model, optimizer, data(4, 6))

    assert ("loss", 0, 0.5) in recording.sender.scalars


def test_passes_without_a_step_are_handed_on_and_said() -> None:
    model = mlp()
    recording = Recording(model)
    for _ in range(1100):
        model(data(2, 6))

    assert len(recording.watcher._observer._early) == 0
    assert recording.watcher.problems["steps"] == 1


def test_a_saved_model_is_read_without_firekeeper(tmp_path: Any) -> None:
    model = mlp()
    recording = Recording(model, sgd(model))
    torch.save(model, tmp_path / "model.pt")
    recording.watcher.close()
    script = f"""
import sys
sys.modules["firekeeper"] = None
import torch
model = torch.load({str(tmp_path / "model.pt")!r})
print(model(torch.ones(2, 6)).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "torch.Size([2, 3])\n"


def test_a_watched_model_may_be_traced() -> None:
    model = mlp()
    recording = Recording(model, sgd(model))

    traced = torch.jit.trace(model, data(2, 6))

    assert torch.equal(traced(data(3, 6)), model(data(3, 6)))
    assert recording.watcher.problems == {}


def test_a_disabled_watcher_knows_of_nothing() -> None:
    model = mlp()
    watcher = firekeeper.watch(model, optimizer=sgd(model), run="run", disabled=True)

    assert watcher.dead_units("1") == []
    assert watcher.diagnosis()["findings"] == []


def test_a_buffer_that_a_probe_resizes_is_as_it_was() -> None:
    class Model(nn.Module):
        seen: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = x.detach()[:, 0]
            return self.net(x)

    model = Model()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    step(model, optimizer, data(4, 6))
    before = model.seen.clone()
    recording.watcher.probe([data(9, 6)])
    assert torch.equal(model.seen, before)
    step(model, optimizer, data(4, 6))

    assert len(recording.sender.of("net.1", Signal.OUTPUT_GRADIENT)) == 2


def test_a_model_that_is_called_by_another_method_is_observed_at_every_step() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()

        def training_step(self, x: torch.Tensor) -> torch.Tensor:
            loss: torch.Tensor = self.net(x).pow(2).mean()
            return loss

    model = Model()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model.training_step(data(4, 6)).backward()
        optimizer.step()

    assert keys(recording.sender.of("net.1", Signal.ACTIVATION)) == [(0, 0), (1, 0), (2, 0)]
    assert recording.watcher.problems == {}


def test_names_of_modules_that_the_protocol_does_not_allow_are_mended() -> None:
    model = nn.Sequential()
    model.add_module("user->item", nn.Linear(6, 3))
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    step(model, optimizer, data(4, 6))

    assert [each.name for each in recording.sender.layers] == ["user-_item"]
    assert len(recording.sender.of("user-_item", Signal.WEIGHT)) == 1


def test_a_call_by_keyword_is_said() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(6, 3), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(input=self.fc(x))

    model = Model()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    step(model, optimizer, data(4, 6))

    assert recording.watcher.problems["arguments"] == 1


def test_a_model_that_never_trains_is_said() -> None:
    model = mlp().eval()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)
    for _ in range(40):
        step(model, optimizer, data(4, 6))

    assert recording.watcher.problems["passes"] == 1


def test_watching_again_with_another_optimizer_is_said() -> None:
    model = mlp()
    watcher = firekeeper.watch(model, optimizer=sgd(model), run="run", endpoint="127.0.0.1:1")
    same = firekeeper.watch(model, optimizer=sgd(model), run="run", endpoint="127.0.0.1:1")

    assert same is watcher and watcher.problems == {"again": 1}
    watcher.close(0.0)


@pytest.mark.parametrize("make", [mlp, lambda: nn.Linear(6, 3)])
def test_a_model_that_nobody_needs_is_let_go(make: Callable[[], nn.Module]) -> None:
    model = make()
    optimizer = sgd(model)
    firekeeper.watch(model, optimizer=optimizer, run="run", endpoint="127.0.0.1:1")
    step(model, optimizer, data(4, 6))
    gone = weakref.ref(model)

    del model, optimizer
    gc.collect()

    assert gone() is None


class Noisy(nn.Module):
    """Draws random numbers, and has buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.RReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def test_random_numbers_and_buffers_are_those_of_an_unwatched_training() -> None:
    states: List[Dict[str, torch.Tensor]] = []
    for watched in (True, False):
        torch.manual_seed(3)
        model = Noisy()
        optimizer = sgd(model)
        recording: Optional[Recording] = Recording(model, optimizer) if watched else None
        if recording is not None:
            recording.watcher.birth([data(5, 6)])
        for number in range(6):
            step(model, optimizer, data(4, 6, seed=number))
            if recording is not None and number == 2:
                recording.watcher.probe([data(5, 6)])
        states.append({name: each.clone() for name, each in model.state_dict().items()})

    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])


def test_shared_weights_are_observed_in_each_layer() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.act = nn.Linear(6, 6), nn.Linear(6, 6), nn.ReLU()
            self.two.weight = self.one.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(self.act(self.one(x)))

    model = Model()
    optimizer = sgd(model)
    recording = Recording(model, optimizer)

    step(model, optimizer, data(4, 6))

    for signal in (Signal.WEIGHT, Signal.WEIGHT_GRADIENT, Signal.WEIGHT_UPDATE):
        one, two = (recording.sender.of(name, signal) for name in ("act", "two"))
        assert len(one) == len(two) == 1
        assert magnitude(one[0]) == magnitude(two[0]) > 0.0


TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_a_run_id_or_a_job_names_one_life() -> None:
    of = _launch_token.launch_token
    assert of({**TORCHRUN, "TORCHELASTIC_RUN_ID": "7"}, 2) == (
        "TORCHELASTIC_RUN_ID=7,MASTER=127.0.0.1:29500"
    )
    assert of({"SLURM_JOB_ID": "5"}, 2) == "SLURM_JOB_ID=5"


def test_processes_of_one_agent_know_each_other_by_it() -> None:
    environ = {**TORCHRUN, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    script = f"from firekeeper._launch_token import launch_token as of; print(of({environ}, 2))"
    command = [sys.executable, "-c", script]
    siblings = {subprocess.check_output(command, text=True) for _ in range(2)}
    other = subprocess.check_output(
        [sys.executable, "-c", f"import subprocess; subprocess.run({command})"], text=True
    )

    assert len(siblings) == 1
    assert other not in siblings


def test_processes_that_nothing_names_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    environ = {**TORCHRUN, "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}

    assert _launch_token.launch_token(environ, 4).startswith("TORCHELASTIC_RUN_ID=none")
    assert "--rdzv_id" in caplog.text
    assert _launch_token.launch_token({}, 2) != _launch_token.launch_token({}, 2)
    assert "FIREKEEPER_LAUNCH_TOKEN" in caplog.text
