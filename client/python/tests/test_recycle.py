"""Recycling of units in real models under real optimizers, and the rule that stops."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import pytest

torch = pytest.importorskip("torch")

from firekeeper._errors import TrainingStopped  # noqa: E402  (only where there is torch)
from firekeeper._recycle import recycle  # noqa: E402
from firekeeper._stop import stop_if  # noqa: E402
from torch import nn  # noqa: E402

DEAD = [1, 4]
OPTIMIZERS: Dict[str, Callable[[Any], Any]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "sgd_momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "adamw_amsgrad": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, amsgrad=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.01, centered=True),
}


class Mlp(nn.Module):
    """Reads [examples, 8], gives [examples, 3]; ``hidden`` has 6 units."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(8, 6)
        self.relu = nn.ReLU()
        self.output = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.output(self.relu(self.hidden(x)))

    @staticmethod
    def batch() -> Any:
        return torch.randn(64, 8)

    def kill(self, units: List[int]) -> None:
        self.hidden.bias.data[units] = -100.0


class Cnn(nn.Module):
    """Reads [examples, 2, 6, 6], gives [examples, 3]; ``hidden`` has 6 channels of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(2, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.flatten = nn.Flatten()
        self.output = nn.Linear(6 * 16, 3)

    def forward(self, x: Any) -> Any:
        return self.output(self.flatten(torch.relu(self.norm(self.hidden(x)))))

    @staticmethod
    def batch() -> Any:
        return torch.randn(32, 2, 6, 6)

    def kill(self, units: List[int]) -> None:
        # Behind a batch normalisation the bias of the convolution is of no account.
        self.norm.weight.data[units] = 0.01
        self.norm.bias.data[units] = -100.0


def step(model: nn.Module, optimizer: Any, x: Any) -> None:
    """One step of training towards a fixed function of the input."""
    optimizer.zero_grad()
    target = torch.stack([x.flatten(1).sum(1), x.flatten(1)[:, 0], x.flatten(1)[:, 1]], 1)
    nn.functional.mse_loss(model(x), target).backward()
    optimizer.step()


def trained(model_type: Any, optimizer_name: str, dead: bool = True) -> Any:
    """(model, optimizer, batch), a few steps into a training, with two dead units or none.

    Dead units have neither gradients nor a history; to see them cleared takes live ones.
    """
    torch.manual_seed(0)
    model = model_type()
    if dead:
        model.kill(DEAD)
    optimizer = OPTIMIZERS[optimizer_name](model.parameters())
    x = model.batch()
    for _ in range(5):
        step(model, optimizer, x)
    return model, optimizer, x


def activations(model: nn.Module, x: Any) -> Any:
    """Output of the hidden layer's activation, [examples, units] or [examples, units, …]."""
    kept = []
    hook = (model.flatten if isinstance(model, Cnn) else model.output).register_forward_pre_hook(
        lambda _, inputs: kept.append(inputs[0].detach().clone())
    )
    model(x)
    hook.remove()
    return kept[0].reshape(len(x), 6, -1)


def alive() -> List[int]:
    return [unit for unit in range(6) if unit not in DEAD]


@pytest.mark.parametrize("model_type", [Mlp, Cnn])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_network_computes_what_it_did(model_type: Any, mode: str) -> None:
    model, optimizer, x = trained(model_type, "adam")
    model.train(mode == "train")
    before = model(x).detach()
    others = activations(model, x)[:, alive()]

    assert recycle(model, optimizer, "hidden", DEAD) == 2

    assert torch.equal(model(x), before)
    assert torch.equal(activations(model, x)[:, alive()], others)


@pytest.mark.parametrize("model_type", [Mlp, Cnn])
@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
def test_recycled_units_fire_and_get_gradient_again(model_type: Any, optimizer_name: str) -> None:
    model, optimizer, x = trained(model_type, optimizer_name)
    assert (activations(model, x)[:, DEAD] == 0).all()
    step(model, optimizer, x)
    assert (model.hidden.weight.grad[DEAD] == 0).all()

    recycle(model, optimizer, "hidden", DEAD)

    for unit in DEAD:
        assert (activations(model, x)[:, unit] > 0).any()
    # The first step moves the outgoing weights off 0, the second has a gradient through them.
    step(model, optimizer, x)
    step(model, optimizer, x)
    for unit in DEAD:
        assert (model.hidden.weight.grad[unit] != 0).any()


@pytest.mark.parametrize("model_type", [Mlp, Cnn])
@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
def test_the_optimizer_forgets_these_weights_and_no_others(
    model_type: Any, optimizer_name: str
) -> None:
    model, optimizer, _ = trained(model_type, optimizer_name, dead=False)
    weight, outgoing = model.hidden.weight, model.output.weight
    before = {
        parameter: {
            name: value.clone() if torch.is_tensor(value) else value
            for name, value in optimizer.state[parameter].items()
        }
        for parameter in (weight, outgoing)
    }

    recycle(model, optimizer, "hidden", DEAD)

    per_unit = outgoing.shape[1] // 6
    for parameter, view in (
        (weight, lambda value: value.reshape(6, -1)),
        (outgoing, lambda value: value.reshape(3, 6, per_unit).transpose(0, 1).reshape(6, -1)),
    ):
        for name, value in optimizer.state[parameter].items():
            was = before[parameter][name]
            if not torch.is_tensor(value) or value.dim() == 0:
                assert value == was
                continue
            assert (view(value)[DEAD] == 0).all()
            assert torch.equal(view(value)[alive()], view(was)[alive()])
            assert (view(was)[DEAD] != 0).any()


def test_a_batch_normalisation_starts_anew_for_the_units() -> None:
    model, optimizer, _ = trained(Cnn, "adam")
    before = {name: value.clone() for name, value in model.norm.state_dict().items()}

    recycle(model, optimizer, model.hidden, DEAD)

    for name, start in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        now = getattr(model.norm, name)
        assert (now[DEAD] == start).all()
        assert torch.equal(now[alive()], before[name][alive()])
    assert (optimizer.state[model.norm.weight]["exp_avg"][DEAD] == 0).all()


def test_weights_are_drawn_as_the_layer_draws_them_and_stay_as_trainable() -> None:
    model, optimizer, _ = trained(Mlp, "adam")
    model.hidden.bias.requires_grad_(False)
    old = model.hidden.weight.detach().clone()

    recycle(model, optimizer, "hidden", DEAD)

    bound = 1 / 8**0.5
    assert (model.hidden.weight[DEAD].abs() <= bound).all()
    assert (model.hidden.weight[DEAD] != old[DEAD]).all()
    assert torch.equal(model.hidden.weight[alive()], old[alive()])
    assert (model.hidden.bias[DEAD].abs() <= bound).all()
    assert model.hidden.weight.requires_grad and not model.hidden.bias.requires_grad
    assert model.hidden.weight.is_leaf


def test_a_gradient_that_waits_for_its_step_does_not_reach_the_new_weights() -> None:
    model, optimizer, x = trained(Mlp, "sgd_momentum", dead=False)
    model(x).sum().backward()

    recycle(model, optimizer, "hidden", DEAD)
    new = model.hidden.weight[DEAD].detach().clone()
    optimizer.step()

    assert torch.equal(model.hidden.weight[DEAD], new)
    assert (model.output.weight[:, DEAD] == 0).all()


def test_hooks_of_the_layer_are_neither_copied_nor_called() -> None:
    model = Mlp()
    called = []

    class Hook:
        def __call__(self, *_: Any) -> None:
            called.append(1)

        def __deepcopy__(self, memo: Any) -> Any:
            raise AssertionError("copied")

    model.hidden.register_forward_hook(Hook())

    assert recycle(model, None, "hidden", [0]) == 1
    assert not called


AFFINE = {
    "linear": (lambda: nn.Linear(4, 6), (5, 4)),
    "linear_without_bias": (lambda: nn.Linear(4, 6, bias=False), (5, 4)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3), (5, 4, 8)),
    "conv2d_grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), (5, 4, 8, 8)),
    "conv3d": (lambda: nn.Conv3d(4, 6, 2), (5, 4, 4, 4, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3), (5, 4, 4, 4)),
    "transposed_grouped": (lambda: nn.ConvTranspose1d(4, 6, 3, groups=2), (5, 4, 4)),
}


@pytest.mark.parametrize("kind", AFFINE)
def test_only_the_units_of_the_layer_change(kind: str) -> None:
    make, shape = AFFINE[kind]
    layer, x = make(), torch.randn(*shape)
    before = layer(x)

    recycle(layer, None, layer, DEAD, outgoing=())

    after = layer(x)
    assert torch.equal(after[:, alive()], before[:, alive()])
    for unit in DEAD:
        assert not torch.equal(after[:, unit], before[:, unit])


@pytest.mark.parametrize("kind", AFFINE)
def test_the_next_layer_reads_the_others_alone(kind: str) -> None:
    make, shape = AFFINE[kind]
    reader, x = make(), torch.randn(*shape)
    before = reader(x)
    layer = nn.Linear(3, 4) if reader.__class__ is nn.Linear else nn.Conv2d(3, 4, 1)

    # One of each group.
    recycle(nn.Sequential(layer, reader), None, "0", [1, 3])

    silent, loud = x.clone(), x.clone()
    silent[:, [1, 3]], loud[:, [1, 3]] = 0, 1000
    assert torch.allclose(reader(loud), reader(silent))
    assert not torch.equal(reader(silent), before)
    other = x.clone()
    other[:, 2] += 1
    assert not torch.allclose(reader(other), reader(x))


@pytest.mark.parametrize(
    "norm",
    [nn.BatchNorm2d(6), nn.GroupNorm(2, 6), nn.InstanceNorm2d(6, affine=True)],
    ids=lambda norm: type(norm).__name__,
)
def test_every_kind_of_norm_starts_anew_for_the_units(norm: Any) -> None:
    model = nn.Sequential(nn.Conv2d(1, 6, 3), norm, nn.Conv2d(6, 2, 3))
    norm.bias.data.fill_(5.0)

    recycle(model, None, "0", DEAD)

    assert norm.bias.tolist() == [5.0, 0.0, 5.0, 5.0, 0.0, 5.0]


def test_a_norm_of_the_next_layer_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 6), nn.LayerNorm(6))
    model[2].bias.data.fill_(5.0)

    recycle(model, None, "0", DEAD)

    assert (model[2].bias == 5.0).all()


def test_a_norm_behind_a_flatten_has_several_entries_a_unit() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Flatten(), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 2)
    )
    model[2].bias.data.fill_(5.0)

    recycle(model, None, "0", [1])

    assert model[2].bias.tolist() == [5.0] * 4 + [0.0] * 4 + [5.0] * 4
    assert (model[4].weight[:, 4:8] == 0).all() and (model[4].weight[:, :4] != 0).all()


def test_layers_that_do_not_fit_are_passed_over_and_named_ones_are_taken() -> None:
    model = nn.ModuleDict(
        {"a": nn.Linear(4, 6), "gate": nn.Linear(4, 2), "b": nn.Linear(6, 5), "c": nn.Linear(6, 5)}
    )

    recycle(model, None, "a", [0])
    assert (model["b"].weight[:, 0] == 0).all() and (model["c"].weight[:, 0] != 0).all()

    recycle(model, None, "a:1", [2, 2, 3], outgoing=["b", model["c"]])
    assert (model["c"].weight[:, 2:4] == 0).all() and (model["c"].weight[:, 0] != 0).all()


def test_what_cannot_be_told_has_to_be_named() -> None:
    alone = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    recurrent = nn.Sequential(nn.Linear(4, 6), nn.LSTM(6, 6), nn.Linear(6, 2))
    # A Linear is flattened position by position, not unit by unit.
    tokens = nn.Sequential(nn.Linear(4, 6), nn.Flatten(), nn.Linear(12, 2))
    for model in (alone, recurrent, tokens):
        with pytest.raises(ValueError, match="outgoing: cannot be told; name the layers"):
            recycle(model, None, "0", [0])
    norms = nn.Sequential(
        nn.Linear(4, 6), nn.Linear(6, 6), nn.BatchNorm1d(6), nn.BatchNorm1d(6), nn.Linear(6, 2)
    )
    with pytest.raises(ValueError, match="norms: 2 of the layer's width follow it"):
        recycle(norms, None, "1", [0])
    norms[2].bias.data.fill_(5.0)
    assert recycle(norms, None, "1", [0], norms=["3"]) == 1
    assert (norms[2].bias == 5.0).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"layer": "missing"}, "no module 'missing'"),
        ({"layer": "relu"}, "'relu' is a ReLU; name the Linear"),
        ({"layer": nn.Linear(2, 2)}, "no module of the model"),
        ({"units": [0, 6]}, "got 0 to 6; the layer has 6 units"),
        ({"units": [-1]}, "got -1 to -1"),
        ({"outgoing": ["hidden"]}, "has 8 inputs; the layer has 6 units"),
        ({"norms": ["relu"]}, "'relu' is no normalisation of the layer's 6 units"),
    ],
)
def test_a_refusal_changes_nothing(arguments: Dict[str, Any], said: str) -> None:
    model, optimizer, _ = trained(Mlp, "adam")
    before = {name: value.clone() for name, value in model.state_dict().items()}

    wanted: Dict[str, Any] = {"layer": "hidden", "units": [0], **arguments}
    with pytest.raises(ValueError, match=said):
        recycle(model, optimizer, **wanted)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_weight_that_is_computed_is_refused() -> None:
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 6)), nn.Linear(6, 2))

    with pytest.raises(ValueError, match="computed from other parameters"):
        recycle(model, None, "0", [0])


def test_no_unit_is_nothing_to_do_even_where_no_layer_follows() -> None:
    model = Mlp()

    assert recycle(model, None, "output", []) == 0


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_the_type_of_the_weights_stays(dtype: str) -> None:
    model = Mlp().to(getattr(torch, dtype))

    recycle(model, None, "hidden", torch.tensor([3]))

    assert model.hidden.weight.dtype == getattr(torch, dtype)
    assert (model.output.weight[:, 3] == 0).all()


def test_a_rule_stops_above_its_limit_only() -> None:
    rule = stop_if(0.25)

    rule.check(0.25, "hidden")
    with pytest.raises(TrainingStopped, match="25.1% of the units of hidden are dead") as caught:
        rule.check(0.251, "hidden")

    assert (caught.value.dead_share, caught.value.layer) == (0.251, "hidden")


def test_a_rule_of_one_layer_passes_the_others_over() -> None:
    rule = stop_if(0.25, layer="hidden")

    rule.check(1.0, "output")
    rule.check(1.0)
    with pytest.raises(TrainingStopped):
        rule.check(1.0, "hidden")


def test_a_rule_reads_a_diagnosis() -> None:
    layers = [{"layer": "a", "lost_share": 0.1}, {"layer": "b", "lost_share": 0.6}]

    with pytest.raises(TrainingStopped, match="60.0% of the units of b are dead"):
        stop_if(0.5)({"consequences": {"layers": layers, "lost_share": 0.3}})
    with pytest.raises(TrainingStopped, match="30.0% of the units of the run are dead"):
        stop_if(0.2)({"consequences": {"layers": [], "lost_share": 0.3}})
    stop_if(0.5)({"consequences": None})


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_limit_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="a share, 0 to 1"):
        stop_if(share)
