"""What lets a client in: a token, and certificates."""

from __future__ import annotations

import pathlib
from typing import Any, Optional, Tuple

from firekeeper._options import is_token


def authorization(token: str, token_file: str = "") -> Tuple[Tuple[str, str], ...]:
    """Metadata of a call; empty where there is no token.

    Args:
        token: goes before the file.
        token_file: holds one.

    Raises:
        ValueError: it is no token; the message does not show it.
        OSError: the file cannot be read.
    """
    if not token and token_file:
        token = pathlib.Path(token_file).read_text("utf-8").strip()
        if not (token and is_token(token)):
            raise ValueError(f"token_file: {token_file} holds no token")
    if not is_token(token):
        raise ValueError("token: must be printable ASCII without blanks")
    return (("authorization", f"Bearer {token}"),) if token else ()


def channel_credentials(*, tls: bool, ca_cert: str, client_cert: str, client_key: str) -> Any:
    """Of a channel; None: plaintext. Imports gRPC.

    Args:
        tls: also without a certificate of ours.
        ca_cert: PEM file of those who may sign the server's; empty: the system's.
        client_cert: PEM file; goes with ``client_key``.
        client_key: PEM file.

    Raises:
        ValueError: a file is empty, or a certificate comes without its key.
        OSError: a file cannot be read.
    """
    import grpc

    if bool(client_cert) != bool(client_key):
        raise ValueError("client_cert and client_key go together")
    if not (tls or ca_cert or client_cert):
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=_contents(ca_cert),
        private_key=_contents(client_key),
        certificate_chain=_contents(client_cert),
    )


def _contents(path: str) -> Optional[bytes]:
    if not path:
        return None
    contents = pathlib.Path(path).read_bytes()
    # Empty would mean "the system's certificates" to gRPC.
    if not contents:
        raise ValueError(f"{path} is empty")
    return contents
