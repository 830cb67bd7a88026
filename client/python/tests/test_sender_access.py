"""The sender and servers that are particular about whom they let in."""

from __future__ import annotations

import pathlib
import subprocess

import processes
import pytest
from firekeeper._status import ConnectionState
from sending import send, sender_to


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A CA, a server certificate for 127.0.0.1 and a client certificate."""
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60
        )

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca")
    for name in ("server", "client"):
        openssl(
            "req", "-x509", *key, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key",
            "-out", f"{name}.pem", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
    return folder


@pytest.fixture
def tokens(tmp_path: pathlib.Path) -> str:
    """The flag of a server that knows one token."""
    file = tmp_path / "tokens"
    file.write_text("sesame alpha\n")
    file.chmod(0o600)
    return f"--token-file={file}"


def test_a_token_lets_in(tmp_path: pathlib.Path, tokens: str) -> None:
    with processes.running(tmp_path, tokens) as server:
        sender = sender_to(server.endpoint, token="sesame")
        send(sender, 0)

        assert sender.close(20.0)


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_the_token_it_ends_at_once_and_says_so(
    tmp_path: pathlib.Path, tokens: str, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    with processes.running(tmp_path, tokens) as server:
        sender = sender_to(server.endpoint, token=token)
        send(sender, 0)

        processes.wait_for("the end", lambda: sender.connection().state is ConnectionState.FAILED)

    assert sender.connection().last_error.startswith("UNAUTHENTICATED")
    assert not sender.close(5.0)
    assert "UNAUTHENTICATED" in caplog.text
    assert "wrong" not in caplog.text


def test_mutual_tls(tmp_path: pathlib.Path, pki: pathlib.Path) -> None:
    flags = (
        f"--tls-cert={pki}/server.pem",
        f"--tls-key={pki}/server.key",
        f"--client-ca={pki}/ca.pem",
    )
    with processes.running(tmp_path, *flags) as server:
        sender = sender_to(
            server.endpoint,
            ca_cert=f"{pki}/ca.pem",
            client_cert=f"{pki}/client.pem",
            client_key=f"{pki}/client.key",
        )
        send(sender, 0)

        assert sender.close(20.0)


@pytest.mark.parametrize("trusts", ["nobody we know", "plaintext"])
def test_a_server_that_is_not_trusted_gets_nothing(
    tmp_path: pathlib.Path, pki: pathlib.Path, trusts: str
) -> None:
    options = {} if trusts == "plaintext" else {"tls": True, "token": "sesame"}
    flags = (f"--tls-cert={pki}/server.pem", f"--tls-key={pki}/server.key")
    with processes.running(tmp_path, *flags) as server:
        sender = sender_to(server.endpoint, **options)
        send(sender, 0)

        processes.wait_for("a failed try", lambda: sender.connection().last_error)

        assert sender.connection().last_error.startswith("UNAVAILABLE")
        assert not sender.close(0.2)
