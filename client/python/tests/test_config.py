"""Options from arguments and the environment, and the launch token."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, Dict, Optional

import pytest
from firekeeper import _config, _launch_token
from firekeeper._config import sender_options
from firekeeper._launch_token import launch_token_from_environment, random_launch_token
from firekeeper._names import is_valid_name
from firekeeper._options import SenderOptions, check_layers
from firekeeper._steps import should_sample
from firekeeper._vocabulary import ActivationSpec, LayerSpec

LAYER = LayerSpec("fc", 8)


@pytest.fixture(autouse=True)
def forget_warnings() -> None:
    _config._warned.clear()


def options(environ: Optional[Dict[str, str]] = None, **arguments: Any) -> SenderOptions:
    arguments.setdefault("run", "run")
    return sender_options(environ=environ or {}, **arguments)


def test_the_run_is_all_that_must_be_given() -> None:
    assert options() == SenderOptions(run="run")
    assert options().endpoint == "127.0.0.1:50061"


def test_the_environment_decides_what_no_argument_does(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "pem"
    file.write_text("x")

    found = sender_options(
        environ={
            "FIREKEEPER_RUN": "nightly",
            "FIREKEEPER_ENDPOINT": "keeper:1",
            "FIREKEEPER_TOKEN": "secret",
            "FIREKEEPER_TOKEN_FILE": str(file),
            "FIREKEEPER_CA_CERT": str(file),
            "FIREKEEPER_CLIENT_CERT": str(file),
            "FIREKEEPER_CLIENT_KEY": str(file),
            "FIREKEEPER_LAUNCH_TOKEN": "life-2",
            "FIREKEEPER_EVERY": "64",
            "FIREKEEPER_RING_BYTES": "1000000",
            "FIREKEEPER_RESUME_STEP": "7",
            "FIREKEEPER_SOURCE": "1",
            "FIREKEEPER_SOURCE_COUNT": "3",
            "FIREKEEPER_DISABLED": "FALSE",
        }
    )

    assert found == SenderOptions(
        run="nightly",
        endpoint="keeper:1",
        token="secret",
        token_file=str(file),
        ca_cert=str(file),
        client_cert=str(file),
        client_key=str(file),
        launch_token="life-2",
        every=64,
        ring_bytes=1_000_000,
        resume_step=7,
        source=1,
        source_count=3,
    )


def test_an_argument_goes_before_its_variable() -> None:
    found = options({"FIREKEEPER_EVERY": "64", "FIREKEEPER_ENDPOINT": "a:1"}, every=2)

    assert (found.every, found.endpoint) == (2, "a:1")


def test_an_empty_variable_is_unset(caplog: pytest.LogCaptureFixture) -> None:
    assert options({"FIREKEEPER_EVERY": "", "FIREKEEPER_ENDPOINT": " "}) == options()
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("FIREKEEPER_ENDPOINT", "http://keeper:1", "host:port"),
        ("FIREKEEPER_ENDPOINT", "keeper", "host:port"),
        ("FIREKEEPER_DISABLED", "yes", "true, false, 1, 0"),
        ("FIREKEEPER_EVERY", "3", "a power of two"),
        ("FIREKEEPER_EVERY", "-2", "a power of two"),
        ("FIREKEEPER_EVERY", "1_6", "a power of two"),
        ("FIREKEEPER_RING_BYTES", "10", "at least 65536"),
        ("FIREKEEPER_RESUME_STEP", "x", "0 to 2^53"),
        ("FIREKEEPER_CA_CERT", "/nowhere", "can be read"),
        ("FIREKEEPER_LAUNCH_TOKEN", "x" * 256, "255 bytes"),
    ],
)
def test_a_bad_variable_warns_once_and_the_default_holds(
    name: str, value: str, allowed: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert options({name: value}) == options()
    assert options({name: value}) == options()

    (record,) = caplog.records
    for part in (name, value, allowed):
        assert part in record.getMessage()


def test_a_bad_token_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    assert options({"FIREKEEPER_TOKEN": "hush hush"}).token == ""

    assert "FIREKEEPER_TOKEN" in caplog.text
    assert "hush" not in caplog.text
    assert "sesame" not in repr(options(token="sesame"))


@pytest.mark.parametrize("value", ["true", "TRUE", "1"])
def test_disabled_needs_nothing_else(value: str) -> None:
    assert sender_options(environ={"FIREKEEPER_DISABLED": value}).disabled
    assert sender_options(environ={}, disabled=True).disabled
    assert not options({"FIREKEEPER_DISABLED": value}, disabled=False).disabled


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4"}, (2, 4)),
        (
            {"RANK": "3", "WORLD_SIZE": "8", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"},
            (3, 8),
        ),
        ({"FIREKEEPER_SOURCE": "1", "FIREKEEPER_SOURCE_COUNT": "2", "RANK": "3"}, (1, 2)),
        ({"RANK": "3", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, (1, 2)),
        ({"RANK": "8", "WORLD_SIZE": "8"}, (0, 1)),
        ({"FIREKEEPER_SOURCE": "1", "RANK": "0", "WORLD_SIZE": "2"}, (0, 2)),
    ],
)
def test_the_source_comes_from_the_first_whole_pair(environ: Dict[str, str], expected: Any) -> None:
    found = options(environ)

    assert (found.source, found.source_count) == expected


def test_half_a_pair_of_ours_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    options({"FIREKEEPER_SOURCE_COUNT": "2"})

    assert "FIREKEEPER_SOURCE_COUNT=2" in caplog.text


def test_a_certificate_without_its_key_is_warned_of(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "pem"
    file.write_text("x")

    assert options({"FIREKEEPER_CLIENT_CERT": str(file)}).client_cert == ""
    assert "FIREKEEPER_CLIENT_CERT" in caplog.text


@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        ("run", {"run": "../x"}),
        ("run", {"run": ""}),
        ("remedy_of", {"remedy_of": "a b"}),
        ("launch_token", {"launch_token": "x" * 256}),
        ("launch_token", {"launch_token": "\ud800"}),
        ("resume_step", {"resume_step": -1}),
        ("source", {"source": 1}),
        ("source_count", {"source_count": 0}),
        ("labels", {"labels": {"a b": "c"}}),
        ("labels[a]", {"labels": {"a": "x" * 256}}),
        ("every", {"every": 3}),
        ("ring_bytes", {"ring_bytes": 10}),
        ("backoff", {"backoff_longest_seconds": 0.01}),
        ("endpoint", {"endpoint": "keeper"}),
        ("token", {"token": "a b"}),
        ("ca_cert", {"ca_cert": "/nowhere"}),
    ],
)
def test_a_bad_argument_is_named(named: str, arguments: Dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=named.replace("[", r"\[")):
        options(**arguments)


def test_an_option_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TypeError):
        options(evry=2)


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("name", {"name": "a//b"}),
        ("unit_count", {"unit_count": 0}),
        ("unit_range", {"unit_range": (4, 5)}),
        ("data_shard", {"data_shard": 2, "data_shards": 2}),
        ("alpha", {"activation": ActivationSpec(alpha=-1.0)}),
        ("negative_slope", {"activation": ActivationSpec(negative_slope=float("nan"))}),
        ("inputs", {"inputs": ("a b",)}),
    ],
)
def test_a_bad_layer_is_named(named: str, change: Dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"layers\[0\].*{named}"):
        check_layers([dataclasses.replace(LAYER, **change)])


def test_layers_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        check_layers([LAYER, LAYER])
    with pytest.raises(ValueError, match="at least one"):
        check_layers([])


@pytest.mark.parametrize("good", ["a", "_x", "encoder.0.relu:1", "a/b@c+d=e-f", "9", "a" * 255])
def test_names_that_the_protocol_takes(good: str) -> None:
    assert is_valid_name(good)


@pytest.mark.parametrize(
    "bad", ["", ".a", "-a", "a..b", "a//b", "a b", "a\n", '"', "é", "a\0b", "a" * 256]
)
def test_names_that_the_protocol_does_not_take(bad: str) -> None:
    assert not is_valid_name(bad)


def test_steps_are_dense_at_first_and_then_regular() -> None:
    sampled = [step for step in range(-64, 201) if should_sample(step, 64)]

    assert sampled == [*range(11), 20, 50, 64, 100, 128, 192]


def test_without_anything_in_the_environment_there_is_no_token() -> None:
    assert launch_token_from_environment({"SLURM_JOB_ID": "", "MASTER_PORT": "29500"}) == ""


def test_the_token_joins_what_there_is() -> None:
    variables = {
        "SLURM_RESTART_COUNT": "0",
        "SLURM_JOB_ID": "7",
        "TORCHELASTIC_RUN_ID": "abc",
        "TORCHELASTIC_RESTART_COUNT": "2",
        "MASTER_ADDR": "node0",
        "MASTER_PORT": "29500",
    }

    assert launch_token_from_environment(variables) == (
        "TORCHELASTIC_RUN_ID=abc,TORCHELASTIC_RESTART_COUNT=2,SLURM_JOB_ID=7,"
        "SLURM_RESTART_COUNT=0,MASTER=node0:29500"
    )
    assert launch_token_from_environment({"MASTER_ADDR": "a"}) == "MASTER=a:"


def test_a_token_that_cannot_travel_is_made_so_and_stays_apart() -> None:
    tokens = {
        launch_token_from_environment({"TORCHELASTIC_RUN_ID": value})
        for value in ("x" * 400 + "a", "x" * 400 + "b", "a\n", "a\udcff", "a_")
    }

    assert len(tokens) == 5
    assert all(token.isascii() and token.isprintable() for token in tokens)
    assert max(map(len, tokens)) == 255


def test_the_hash_of_a_token_is_that_of_every_client() -> None:
    # A published value of FNV-1a.
    assert _launch_token._stable_hash(b"foobar") == 0x85944171F73967E8
    assert launch_token_from_environment({"SLURM_JOB_ID": "a\n"}) == (
        f"SLURM_JOB_ID=a_#{_launch_token._stable_hash(b'SLURM_JOB_ID=a' + bytes([10])):016x}"
    )


def test_random_tokens_differ() -> None:
    assert random_launch_token() != random_launch_token()
