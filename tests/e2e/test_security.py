"""TLS, client certificates, tokens and tenants over real sockets."""

from __future__ import annotations

import pathlib
import ssl
import subprocess
import urllib.error
import urllib.request

import grpc
import pytest
from firekeeper.v1 import diagnostics_pb2

import processes
import wire


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


def secure_channel(
    server: processes.Server, pki: pathlib.Path, with_certificate: bool = False
) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(
        root_certificates=(pki / "ca.pem").read_bytes(),
        private_key=(pki / "client.key").read_bytes() if with_certificate else None,
        certificate_chain=(pki / "client.pem").read_bytes() if with_certificate else None,
    )
    return grpc.secure_channel(server.endpoint, credentials)


def info(channel: grpc.Channel, token: str = "") -> diagnostics_pb2.GetServerInfoResponse:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    answer: diagnostics_pb2.GetServerInfoResponse = wire.diagnostics(channel).GetServerInfo(
        diagnostics_pb2.GetServerInfoRequest(), timeout=10, metadata=metadata
    )
    return answer


def code_of(channel: grpc.Channel, token: str = "") -> grpc.StatusCode:
    try:
        info(channel, token)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def test_tls_answers_and_plaintext_does_not(tmp_path: pathlib.Path, pki: pathlib.Path) -> None:
    flags = (f"--tls-cert={pki}/server.pem", f"--tls-key={pki}/server.key")
    with processes.running(tmp_path, *flags) as server:
        with secure_channel(server, pki) as channel:
            assert info(channel).version
        with grpc.insecure_channel(server.endpoint) as channel:
            assert code_of(channel) == grpc.StatusCode.UNAVAILABLE
        trusted = ssl.create_default_context(cafile=str(pki / "ca.pem"))
        url = f"https://127.0.0.1:{server.http_port}/metrics"
        with urllib.request.urlopen(url, timeout=10, context=trusted) as response:
            assert b"firekeeper_build_info" in response.read()


def test_mutual_tls_wants_a_certificate_on_both_ports(
    tmp_path: pathlib.Path, pki: pathlib.Path
) -> None:
    flags = (
        f"--tls-cert={pki}/server.pem",
        f"--tls-key={pki}/server.key",
        f"--client-ca={pki}/ca.pem",
    )
    with processes.running(tmp_path, *flags) as server:
        with secure_channel(server, pki) as channel:
            assert code_of(channel) == grpc.StatusCode.UNAVAILABLE
        with secure_channel(server, pki, with_certificate=True) as channel:
            assert code_of(channel) == grpc.StatusCode.OK
        url = f"https://127.0.0.1:{server.http_port}/metrics"
        trusted = ssl.create_default_context(cafile=str(pki / "ca.pem"))
        with pytest.raises(OSError):
            urllib.request.urlopen(url, timeout=10, context=trusted)
        trusted.load_cert_chain(pki / "client.pem", pki / "client.key")
        with urllib.request.urlopen(url, timeout=10, context=trusted) as response:
            assert response.status == 200


def test_a_tenant_sees_its_own_runs_only(tmp_path: pathlib.Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("alpha-secret alpha\nbeta-secret beta\n")
    tokens.chmod(0o600)
    with processes.running(tmp_path, f"--token-file={tokens}") as server:
        with grpc.insecure_channel(server.endpoint) as channel:
            assert code_of(channel) == grpc.StatusCode.UNAUTHENTICATED
            assert code_of(channel, "wrong") == grpc.StatusCode.UNAUTHENTICATED
            assert info(channel, "alpha-secret").tenant == "alpha"
            assert info(channel, "beta-secret").tenant == "beta"

            alpha = (("authorization", "Bearer alpha-secret"),)
            beta = (("authorization", "Bearer beta-secret"),)
            stream = wire.Stream(channel, metadata=alpha)
            stream.send(wire.open_message("secret-run"), wire.batch(1, 0, [[1.0, 0.0, 1.0, 1.0]]))
            stream.receive_ack(1)
            stub = wire.diagnostics(channel)
            request = diagnostics_pb2.GetRunRequest(run_id="secret-run")
            assert stub.GetRun(request, metadata=alpha).run.tenant == "alpha"
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetRun(request, metadata=beta)
            assert refused.value.code() == grpc.StatusCode.NOT_FOUND
            assert not stub.ListRuns(diagnostics_pb2.ListRunsRequest(), metadata=beta).runs
            stream.send(wire.close(1))
            assert stream.end() == grpc.StatusCode.OK
        with pytest.raises(urllib.error.HTTPError) as unauthorised:
            server.metrics()
        assert unauthorised.value.code == 401
        request_with_token = urllib.request.Request(
            server.metrics_url, headers={"Authorization": "Bearer beta-secret"}
        )
        with urllib.request.urlopen(request_with_token, timeout=10) as response:
            assert response.status == 200
        assert "secret" not in server.log().replace("secret-run", "")
