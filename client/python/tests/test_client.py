"""The client of queries, against a real server that real training has fed."""

from __future__ import annotations

import datetime
import pathlib
import subprocess
import sys
from typing import Any, Dict, Iterator

import processes
import pytest
from firekeeper._client import Client
from firekeeper._errors import FirekeeperError

np = pytest.importorskip("numpy")

RUN = "killed"
LAYER = "hidden.1"


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Server]:
    """A server that holds one run in which units died."""
    with processes.running(tmp_path_factory.mktemp("fed")) as server:
        train(server, RUN)
        yield server


def train(server: processes.Server, run: str) -> None:
    """Trains a network at a learning rate that kills and streams it."""
    done = processes.run(
        "experiment_trainer",
        "--scenario=adam-3e-2",
        "--seed=0",
        f"--endpoint={server.endpoint}",
        f"--run={run}",
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def client(fed: processes.Server) -> Iterator[Client]:
    with Client(fed.endpoint) as connected:
        yield connected


def test_runs_are_plain_dicts_with_words_and_times(client: Client) -> None:
    (run,) = client.runs()

    assert run["run_id"] == RUN
    assert run["state"] in ("active", "silent", "ended")
    assert run["first_seen"].tzinfo is datetime.timezone.utc
    assert run["scalars"]["loss"] >= 0
    assert run["attempts"][0]["number"] == 1
    assert client.run(RUN)["layer_count"] == run["layer_count"]


def test_layers_come_in_forward_order_with_their_counts(client: Client) -> None:
    layers = client.layers(RUN)

    assert [layer["layer"]["order"] for layer in layers] == list(range(len(layers)))
    assert layers[0]["layer"]["activation"] == "relu"
    assert layers[0]["layer"]["unit_range"] is None
    for layer in layers:
        counted = sum(count["units"] for count in layer["units_by_state"])
        assert counted == layer["layer"]["unit_count"]
    assert client.layer(RUN, LAYER)["layer"]["name"] == LAYER


def test_units_are_columns_of_all_units(client: Client) -> None:
    units = client.units(RUN, LAYER)

    assert units["unit"].tolist() == list(range(64))
    assert units["unit"].dtype == np.int64
    assert units["rate_upper_bound"].dtype == np.float64
    assert set(units["state"]) >= {"dead", "alive"}
    assert (units["coverage_shards_received"] == 1).all()
    assert (units["certified_step"][units["state"] == "dead"] > 0).all()
    assert (units["died_by_step"][units["deaths"] == 0] == -1).all()
    assert set(units["death_origin"][units["state"] == "alive"]) == {""}
    assert {len(column) for column in units.values()} == {64}


def test_units_of_one_state_are_those_of_the_column(client: Client) -> None:
    everything = client.units(RUN, LAYER)
    expected = everything["unit"][np.isin(everything["state"], ["dead", "born_dead"])].tolist()

    assert expected
    assert client.units(RUN, LAYER, "dead")["unit"].tolist() == expected
    assert client.units(RUN, LAYER, ["dead", "born_dead"])["unit"].tolist() == expected
    assert client.dead_units(RUN, LAYER) == expected
    assert client.units(RUN, LAYER, ["non_finite"])["state"].shape == (0,)


def test_long_lists_are_read_to_their_last_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firekeeper._client.PAGE_SIZE", 7)

    assert client.units(RUN, LAYER)["unit"].tolist() == list(range(64))
    assert len(client.layers(RUN)) == client.run(RUN)["layer_count"]


def test_units_are_lists_without_numpy(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = client.units(RUN, LAYER)
    modules: Dict[str, Any] = sys.modules
    monkeypatch.setitem(modules, "numpy", None)

    plain = client.units(RUN, LAYER)

    assert plain["unit"] == list(range(64))
    assert plain["state"] == columns["state"].tolist()
    assert plain["also"] == columns["also"].tolist()
    assert plain["last_firing_step"] == columns["last_firing_step"].tolist()


def test_history_is_the_windows_of_a_signal(client: Client) -> None:
    windows = client.history(RUN, LAYER, "activation")

    starts = [window["window_first_step"] for window in windows]
    assert len(starts) > 3 and starts == sorted(starts)
    assert {window["signal"] for window in windows} == {"activation"}
    assert {window["phase"] for window in windows} == {"train"}
    assert client.history(RUN, LAYER, "activation", phase="eval") == []


def test_diagnosis_names_the_cause_with_its_evidence(client: Client) -> None:
    diagnosis = client.diagnosis(RUN)

    causes = [finding["cause"] for finding in diagnosis["findings"]]
    assert "learning_rate_too_high" in causes
    finding = diagnosis["findings"][causes.index("learning_rate_too_high")]
    assert finding["is_fault"] and 0 < finding["score"] <= 1
    assert finding["evidence"][0]["comparison"] in ("above", "below", "at_least", "at_most")
    assert diagnosis["remedy_outcome"] is None


def test_events_are_filtered_by_layer_and_severity(client: Client) -> None:
    events = client.events(RUN)

    assert [event["event_id"] for event in events] == sorted(e["event_id"] for e in events)
    assert "units_died" in {event["kind"] for event in events}
    of_layer = client.events(RUN, LAYER)
    assert of_layer == [event for event in events if event["layer"] == LAYER]
    grave = client.events(RUN, min_severity="warning")
    assert grave == [e for e in events if e["severity"] in ("warning", "critical")]


def test_watching_an_ended_run_gives_its_events_and_ends(client: Client) -> None:
    client.end_run(RUN)
    events = client.events(RUN)

    assert list(client.watch_events(RUN)) == events
    last = events[-1]["event_id"]
    assert list(client.watch_events(RUN, after_event_id=last)) == []
    filtered = list(client.watch_events(RUN, LAYER, "warning"))
    assert filtered == client.events(RUN, LAYER, "warning")


def test_a_watch_can_be_left_and_the_client_goes_on(client: Client) -> None:
    watch = client.watch_events(RUN)

    first = next(watch)
    watch.close()

    assert first["event_id"] >= 1
    assert client.run(RUN)["run_id"] == RUN


def test_ending_and_deleting_a_run(server: processes.Server) -> None:
    train(server, "short")
    with Client(server.endpoint) as client:
        assert client.end_run("short")["state"] == "ended"
        client.delete_run("short")

        assert client.runs() == []
        with pytest.raises(FirekeeperError, match="short"):
            list(client.watch_events("short"))


def test_server_info_tells_limits_and_tenant(client: Client) -> None:
    info = client.server_info()

    assert info["durability"] == "none"
    assert info["limits"]["max_page_size"] == 1000
    assert "born_dead" in info["limits"]["states"]
    assert info["started"] < datetime.datetime.now(datetime.timezone.utc)


def test_an_error_carries_the_code_the_reason_and_the_message(client: Client) -> None:
    with pytest.raises(FirekeeperError) as caught:
        client.units(RUN, "no-such-layer")

    assert caught.value.code == "NOT_FOUND"
    assert caught.value.reason == "LAYER_NOT_FOUND"
    assert "no-such-layer" in str(caught.value)
    with pytest.raises(FirekeeperError, match="no-such-layer"):
        client.events(RUN, "no-such-layer")


def test_an_error_names_the_field_that_was_refused(client: Client) -> None:
    with pytest.raises(FirekeeperError) as caught:
        client.run("a name with blanks")

    assert caught.value.code == "INVALID_ARGUMENT"
    assert [problem.field for problem in caught.value.fields] == ["run_id"]


def test_a_word_that_does_not_exist_is_answered_with_those_that_do(client: Client) -> None:
    with pytest.raises(ValueError, match="'deed' is none of .*born_dead"):
        client.units(RUN, LAYER, "deed")
    with pytest.raises(ValueError, match="'unspecified' is none of activation"):
        client.history(RUN, LAYER, "unspecified")
    with pytest.raises(ValueError, match="info, warning, critical"):
        client.watch_events(RUN, min_severity="loud")


def test_options_fall_back_to_the_environment_of_the_command(
    fed: processes.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIREKEEPER_ENDPOINT", fed.endpoint)
    with Client() as client:
        assert client.run(RUN)["run_id"] == RUN

    monkeypatch.setenv("FIREKEEPER_CA_CERT", "missing.pem")
    with pytest.raises(OSError, match="missing.pem"):
        Client()
    with Client(ca_cert="") as client:
        assert client.run(RUN)["run_id"] == RUN


def test_a_token_is_sent_and_never_shown(tmp_path: pathlib.Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("alpha-secret alpha\n")
    tokens.chmod(0o600)
    with processes.running(tmp_path, f"--token-file={tokens}") as server:
        with Client(server.endpoint, token="alpha-secret") as client:
            assert client.server_info()["tenant"] == "alpha"
            assert "secret" not in repr(client)
        with Client(server.endpoint) as client:
            with pytest.raises(FirekeeperError) as caught:
                client.runs()

    assert caught.value.code == "UNAUTHENTICATED"


def test_tls_trusts_the_given_certificate(tmp_path: pathlib.Path) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
        timeout=60,
    )  # fmt: skip
    flags = (f"--tls-cert={certificate}", f"--tls-key={key}")
    with processes.running(tmp_path, *flags) as server:
        with Client(server.endpoint, ca_cert=str(certificate)) as client:
            assert client.server_info()["version"]
        with Client(server.endpoint) as client:
            with pytest.raises(FirekeeperError):
                client.server_info()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with Client("127.0.0.1:1", timeout=5.0) as client:
        with pytest.raises(FirekeeperError) as caught:
            client.runs()

    assert caught.value.code == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"endpoint": "localhost"}, "not host:port"),
        ({"endpoint": "http://localhost:50061"}, "not host:port"),
        ({"token": "two words"}, "printable ASCII"),
        ({"client_cert": "a.pem"}, "go together"),
        ({"timeout": 0.0}, "must be positive"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: Dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Client(**options)

    assert "two words" not in str(caught.value)


def test_importing_the_client_does_not_import_grpc() -> None:
    script = "import sys, firekeeper._client; sys.exit('grpc' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
