"""What a training script may ask of its own run, and be told of it."""

from __future__ import annotations

import collections
import logging
import threading
from typing import Any, Callable, Deque, Dict, List, Optional

from firekeeper._client import Client
from firekeeper._errors import FirekeeperError, TrainingStopped

_logger = logging.getLogger("firekeeper")

EventCallback = Callable[[Dict[str, Any]], None]

_RETRY_SECONDS = 2.0
_DEAD_STATES = ("dead", "born_dead")


class Live:
    """Asks the server on threads of its own. Thread-safe.

    Args:
        run: id of the run.
        connect: makes a client; called on first use.
    """

    def __init__(self, run: str, connect: Callable[[], Client]) -> None:
        self._run = run
        self._connect = connect
        self._lock = threading.Lock()
        self._client: Optional[Client] = None
        self._ended = threading.Event()
        self._events: Deque[Callable[[], None]] = collections.deque(maxlen=10_000)
        self._stop: Optional[TrainingStopped] = None

    def client(self) -> Client:
        """The connection, made on first use."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def dead_units(self, layer: str) -> List[int]:
        """See ``Watcher.dead_units``."""
        return self.client().dead_units(self._run, layer)

    def diagnosis(self) -> Dict[str, Any]:
        """See ``Watcher.diagnosis``."""
        return self.client().diagnosis(self._run)

    def on_event(self, callback: EventCallback, *, on_training_thread: bool) -> None:
        """See ``Watcher.on_event``."""
        deliver = callback
        if on_training_thread:

            def deliver(event: Dict[str, Any]) -> None:
                self._events.append(lambda: callback(event))

        self._start("events", lambda: self._follow(deliver))

    def stop_if(self, max_dead: float, layer: Optional[str], every_seconds: float) -> None:
        """See ``Watcher.stop_if``."""
        self._start("stop", lambda: self._watch_share(max_dead, layer, every_seconds))

    def at_step_end(self) -> None:
        """Calls what waits for the training thread.

        Raises:
            TrainingStopped: as ``stop_if`` asked for.
        """
        while self._events:
            try:
                self._events.popleft()()
            except Exception:  # pylint: disable=broad-except
                _logger.exception("firekeeper: an event callback failed")
        stop, self._stop = self._stop, None
        if stop is not None:
            raise stop

    def close(self) -> None:
        """Ends the threads."""
        self._ended.set()
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"firekeeper-{name}", daemon=True)
        thread.start()

    def _follow(self, deliver: EventCallback) -> None:
        last = 0
        while not self._ended.is_set():
            try:
                client = self.client()
                for event in client.watch_events(self._run, after_event_id=last):
                    last = int(event["event_id"])
                    self._deliver(deliver, event)
                    if self._ended.is_set():
                        return
                return
            except FirekeeperError:
                # The run may not be there yet, or the server away.
                self._ended.wait(_RETRY_SECONDS)
            except Exception as error:  # pylint: disable=broad-except
                if not self._ended.is_set():
                    _logger.warning("firekeeper: no more events: %s", error)
                return

    def _deliver(self, deliver: EventCallback, event: Dict[str, Any]) -> None:
        try:
            deliver(event)
        except Exception:  # pylint: disable=broad-except
            _logger.exception("firekeeper: an event callback failed")

    def _watch_share(self, max_dead: float, layer: Optional[str], every_seconds: float) -> None:
        while not self._ended.wait(every_seconds):
            try:
                layers = self.client().layers(self._run)
            except FirekeeperError:
                continue
            except Exception as error:  # pylint: disable=broad-except
                if not self._ended.is_set():
                    _logger.warning("firekeeper: stop_if ends: %s", error)
                return
            stop = exceeded(layers, max_dead, layer)
            if stop is not None:
                self._stop = stop
                return


def exceeded(
    layers: List[Dict[str, Any]], max_dead: float, layer: Optional[str]
) -> Optional[TrainingStopped]:
    """Whether too many units are dead: of ``layer``, or of all layers together.

    Args:
        layers: as ``Client.layers`` gives them.
        max_dead: the share that is allowed, 0 to 1.
        layer: None: all layers.
    """
    dead = units = 0
    for each in layers:
        if layer is not None and each["layer"]["name"] != layer:
            continue
        if each["layer"].get("is_output"):
            continue
        units += int(each["layer"]["unit_count"])
        by_state = each.get("units_by_state") or []
        dead += sum(int(count["units"]) for count in by_state if count["state"] in _DEAD_STATES)
    share = dead / units if units else 0.0
    return TrainingStopped(share, max_dead, layer or "") if share > max_dead else None
