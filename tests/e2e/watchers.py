"""What watches a server: Prometheus and Alertmanager with the files of deploy/,
and somebody who is told."""

from __future__ import annotations

import contextlib
import http.server
import json
import pathlib
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import processes
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy"


@contextlib.contextmanager
def listening(log_path: pathlib.Path, *command: str) -> Iterator[int]:
    """A process that listens on one TCP port, which is given."""
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield processes.wait_for(
            f"{command[0]} to listen", lambda: processes.listening_port(process.pid), seconds=60
        )
    finally:
        process.terminate()
        process.wait(timeout=30)


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=10) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What it knows now; fails where it cannot say."""
        quoted = urllib.parse.quote(expression)
        url = f"{self.url}/api/v1/query?query={quoted}"
        with urllib.request.urlopen(url, timeout=10) as response:
            result: list[dict[str, Any]] = json.load(response)["data"]["result"]
        return result


@contextlib.contextmanager
def prometheus(
    folder: pathlib.Path, http_port: int, alertmanager_port: int = 0
) -> Iterator[Prometheus]:
    """Watches a server with the rules that are shipped, only faster."""
    for rules in ("recording.yml", "alerts.yml"):
        shutil.copy(DEPLOY / "prometheus" / rules, folder)
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    server = f"127.0.0.1:{http_port}"
    config["global"].update(
        scrape_interval="500ms",
        # A scrape that is late on a busy machine is no server that is down.
        scrape_timeout="500ms",
        evaluation_interval="200ms",
        external_labels={"firekeeper": f"http://{server}"},
    )
    config["scrape_configs"][0]["static_configs"] = [{"targets": [server]}]
    config["alerting"]["alertmanagers"][0]["static_configs"] = (
        [{"targets": [f"127.0.0.1:{alertmanager_port}"]}] if alertmanager_port else []
    )
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    with listening(
        folder / "prometheus.log",
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0",
    ) as port:
        prometheus = Prometheus(port)
        processes.wait_for("Prometheus to be ready", prometheus.is_ready, seconds=60)
        yield prometheus


def _faster(route: dict[str, Any]) -> None:
    route.update(group_wait="0s", group_interval="1s")
    for child in route.get("routes", []):
        _faster(child)


@contextlib.contextmanager
def alertmanager(folder: pathlib.Path, webhook_url: str) -> Iterator[int]:
    """Tells `webhook_url`/RECEIVER, by the routes that are shipped; gives its port."""
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    _faster(config["route"])
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = f"{webhook_url}/{receiver['name']}"
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    with listening(
        folder / "alertmanager.log",
        "prometheus-alertmanager",
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ) as port:
        yield port


class Webhook:
    """Keeps what it is told: the alerts of every notification."""

    def __init__(self) -> None:
        self.url = ""
        self._lock = threading.Lock()
        self._notifications: list[dict[str, Any]] = []

    def keep(self, notification: dict[str, Any]) -> None:
        with self._lock:
            self._notifications.append(notification)

    def alerts(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """All that were told so far and are wanted, each with its receiver."""
        with self._lock:
            told = list(self._notifications)
        return [
            alert | {"receiver": notification["receiver"]}
            for notification in told
            for alert in notification["alerts"]
            if wanted(alert)
        ]


@contextlib.contextmanager
def webhook() -> Iterator[Webhook]:
    """Somebody who is told by HTTP."""
    kept = Webhook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # pylint: disable=invalid-name
            length = int(self.headers["Content-Length"])
            kept.keep(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    try:
        yield kept
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
