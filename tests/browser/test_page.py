"""Somebody reads the page while real runs go on."""

from __future__ import annotations

import pathlib
import urllib.parse
from collections.abc import Iterator

import browser
import feed
import processes
import pytest
from trainers import KILLING, training
from firekeeper.v1 import resources_pb2

RUN = "digits"


def url(server: processes.Server, *route: str) -> str:
    """The address of the runs, or of what `route` leads to."""
    return f"http://127.0.0.1:{server.http_port}/" + (f"#/{'/'.join(route)}" if route else "")


def last_step(window: browser.Browser) -> int:
    shown = window.text("#last-step").replace(",", "")
    return int(shown) if shown.isdigit() else -1


def complained_only_of(window: browser.Browser, status: int) -> None:
    """The console speaks of refusals, and so it should."""
    complaints = window.complaints()
    assert complaints and all(f"status of {status}" in each for each in complaints), complaints


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Server]:
    """A server with a run that lost units, and with one that has none to lose."""
    with processes.running(tmp_path_factory.mktemp("trained")) as server:
        feed.trained(server, RUN, "--epochs=60")
        feed.trained(server, "healthy", "--epochs=20", rate=0.001)
        yield server


def test_one_finds_the_dead_units_and_why(
    trained: processes.Server, window: browser.Browser
) -> None:
    window.open(url(trained))
    row = f'tr[data-run="{RUN}"]'
    window.wait_for(row, "learning rate too high")
    first = window.evaluate("return document.querySelector('tr[data-run]').dataset.run")
    assert first == RUN, "the worst is on top"

    window.click(f"{row} th a")
    finding = window.wait_for('[data-finding="CAUSE_LEARNING_RATE_TOO_HIGH"]')
    assert "set the learning rate to" in finding
    assert window.texts('[data-evidence="for"]')
    window.wait_for('.strip-row[data-layer="hidden.1"]', "%")

    window.click('.strip-row[data-layer="hidden.1"] .strip-name')
    window.wait_for("#units tbody tr", "alive")
    window.wait_for('[data-distribution="SIGNAL_ACTIVATION"]', "median")
    window.click('#unit-states input[value="HEALTH_STATE_DEAD"]')
    processes.wait_for(
        "only the dead to be listed",
        lambda: {each.split()[-1] for each in window.texts("#units tbody td:nth-child(2)")}
        == {"dead"},
    )

    window.click("#units tbody tr th a")
    words = window.wait_for("#unit-words", "is dead")
    assert "does not fire, with certificate" in words


def test_the_page_asks_nobody_but_its_server(
    trained: processes.Server, window: browser.Browser
) -> None:
    for route, ready in VIEWS:
        window.open(url(trained, *route))
        window.wait_for(ready)

    asked = window.requested()
    assert any("/api/v1/DiagnoseRun" in each for each in asked)
    assert [each for each in asked if not each.startswith((url(trained), "data:", "about:"))] == []


# A view, and what it shows when all is there.
VIEWS: list[tuple[tuple[str, ...], str]] = [
    ((), 'tr[data-run="healthy"]'),
    (("run", RUN), "[data-finding]"),
    (("run", RUN, "layer", "hidden.1"), "#units tbody tr"),
    (("run", RUN, "layer", "hidden.1", "unit", "3"), "#unit-words"),
]


@pytest.mark.parametrize("is_phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", VIEWS, ids=["runs", "run", "layer", "unit"])
def test_nothing_keeps_anybody_out(
    trained: processes.Server,
    window: browser.Browser,
    view: tuple[tuple[str, ...], str],
    is_dark: bool,
    is_phone: bool,
) -> None:
    route, ready = view
    window.is_dark(is_dark)
    window.is_phone(is_phone)
    window.open(url(trained, *route))
    window.wait_for(ready)

    assert window.barriers() == []
    width, shown = window.evaluate(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= shown, "the page itself does not scroll sideways"


def test_the_keyboard_is_enough(trained: processes.Server, window: browser.Browser) -> None:
    window.open(url(trained))
    window.wait_for(f'tr[data-run="{RUN}"]')

    def focus_on(target: str) -> None:
        for _ in range(60):
            window.tab()
            if window.evaluate("return document.activeElement.matches(arguments[0])", target):
                return
        raise AssertionError(f"no way to {target} by the tab key")

    focus_on(f'tr[data-run="{RUN}"] th a')
    window.enter()
    window.wait_for("#run-header h1", RUN)
    processes.wait_for(
        "the focus to be where reading begins",
        lambda: window.evaluate("return document.activeElement.tagName") == "H1",
    )
    assert RUN in window.evaluate("return document.title")


def test_it_says_what_was_not_found(trained: processes.Server, window: browser.Browser) -> None:
    window.open(url(trained, "run", "nothing"))

    window.wait_for("#main", "not known")
    complained_only_of(window, 404)


def test_an_empty_server_tells_how_to_begin(
    server: processes.Server, window: browser.Browser
) -> None:
    window.open(url(server))

    assert "firekeeper.watch(" in window.wait_for("#empty")


def strips_follow(window: browser.Browser) -> None:
    """The strips are asked for again while the training goes on."""
    window.wait_for('canvas[data-strip][data-painted="true"]')
    for _ in range(2):
        window.requested()
        processes.wait_for(
            "newer strips",
            lambda: any("/api/v1/GetUnitMap" in each for each in window.requested()),
        )


def test_it_follows_a_training_and_survives_the_server(
    tmp_path: pathlib.Path, window: browser.Browser
) -> None:
    with processes.running(tmp_path, f"--data-dir={tmp_path / 'data'}") as server:
        with training(server, KILLING, run=RUN):
            window.open(url(server, "run", RUN))
            window.wait_for('#live-status[data-state="live"]')
            seen = processes.wait_for("a step", lambda: last_step(window) > 0 and last_step(window))
            processes.wait_for("later steps", lambda: last_step(window) > seen)
            strips_follow(window)
            window.evaluate("window.stillTheSame = true")

            server.kill()
            window.wait_for('#live-status[data-state="retrying"]', "not reachable")
            before = last_step(window)
            assert before > 0, "what was known stays on the page"
            server.start(server.port, server.http_port)

            window.wait_for('#live-status[data-state="live"]')
            processes.wait_for("later steps", lambda: last_step(window) > before)
            assert window.evaluate("return window.stillTheSame"), "without being loaded anew"

        window.click("#pause")
        window.wait_for('#live-status[data-state="paused"]')


def test_names_and_labels_are_text(server: processes.Server, window: browser.Browser) -> None:
    evil = "\"'><script>window.evil = true</script><img src=x onerror='window.evil = true'>"
    feed.send(server, RUN, {"fc.relu": [1.0, 0.0]}, labels={"note": evil})

    window.open(url(server, "run", RUN))
    assert evil in window.wait_for("#run-header", "<script>")
    window.open(url(server, "run", urllib.parse.quote(evil, safe="")))
    window.wait_for("#main", "must match")
    assert evil in window.text("#crumbs")

    assert not window.evaluate("return window.evil === true")
    complained_only_of(window, 400)


def test_nan_is_not_called_dead(server: processes.Server, window: browser.Browser) -> None:
    feed.send(server, RUN, {"fc.relu": [1.0, float("nan"), 1.0, 1.0]}, steps=4)

    window.open(url(server))
    row = window.wait_for(f'tr[data-run="{RUN}"]', "NaN")
    assert "dead" not in row
    window.open(url(server, "run", RUN))
    window.wait_for('[data-finding="CAUSE_NUMERICAL_FAILURE"]')
    window.wait_for('.strip-row[data-layer="fc.relu"]', "NaN")


def test_silence_is_not_called_health(server: processes.Server, window: browser.Browser) -> None:
    feed.send(server, RUN, {"fc.relu": [0.0, 0.0, 0.0, 0.0]}, steps=4)

    window.open(url(server))
    row = window.wait_for(f'tr[data-run="{RUN}"]', "4 units silent or dead on set")
    assert "no fault found" not in row
    assert window.evaluate("return !document.querySelector('tr[data-run] .tone-fine.share')")


def test_a_unit_without_a_verdict_is_still_a_unit(
    server: processes.Server, window: browser.Browser
) -> None:
    feed.send(server, RUN, {"fc.relu": [1.0, 0.0]}, phase=resources_pb2.PHASE_EVAL)

    window.open(url(server, "run", RUN, "layer", "fc.relu", "unit", "1"))
    window.wait_for("#unit-unsaid", "Nothing can be said of this unit")
    assert "not known" not in window.text("#main")
    window.click("#unit-before")
    window.wait_for("#unit-view h1", "Unit 0")
    window.open(url(server, "run", RUN, "layer", "fc.relu", "unit", "2"))
    window.wait_for("#main h1", "This unit is not known")
    assert "2 units, numbered from 0" in window.text("#main")


def test_what_ended_does_not_stay_paused(server: processes.Server, window: browser.Browser) -> None:
    window.open(url(server, "run", "nothing"))
    window.wait_for('#live-status[data-state="missing"]', "no such run")

    window.click("#pause")
    window.click("#pause")
    assert "no such run" in window.text("#live-status")
    complained_only_of(window, 404)


def test_a_token_is_asked_for_and_sent(tmp_path: pathlib.Path, window: browser.Browser) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("alpha red\n")
    tokens.chmod(0o600)
    with processes.running(tmp_path, f"--token-file={tokens}") as server:
        window.open(url(server))
        window.write("#token", "wrong")
        window.enter()
        window.wait_for("#main h1", "The token was refused")
        window.write("#token", "alpha")
        window.enter()

        window.wait_for("#empty")
        window.wait_for("#server-info", "tenant red")
        complained_only_of(window, 401)
