"""The page stays small whatever the runs are, and gives back what it held."""

from __future__ import annotations

from collections.abc import Iterator

import browser
import feed
import processes
import pytest
from test_page import url

RUNS = 1000
# No view draws more elements than this, whatever it is of.
MOST_NODES = 12_000


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Server]:
    """A server with as many runs as it takes, one of them large in every way."""
    with processes.running(tmp_path_factory.mktemp("crowded")) as server:
        feed.send(server, "wide", {"fc.relu": [0.0, 1.0] * 32_768})
        feed.send(server, "deep", {f"block.{i}.relu": [0.0, 1.0] * 2048 for i in range(500)})
        for i in range(RUNS - 2):
            feed.send(server, f"run-{i:03}", {"fc.relu": [0.0, 1.0]})
        yield server


def nodes(window: browser.Browser) -> int:
    return int(window.evaluate("return document.getElementsByTagName('*').length"))


def received(window: browser.Browser) -> float:
    """Bytes of the answers to this view so far."""
    return float(
        window.evaluate(
            "return performance.getEntriesByType('resource')"
            ".filter(e => e.name.includes('/api/')).reduce((sum, e) => sum + e.decodedBodySize, 0)"
        )
    )


def longest_frame(window: browser.Browser, scroller: str) -> float:
    """Milliseconds between two frames at most, while somebody scrolls all the way down."""
    return float(
        window.evaluate_slowly(
            """
            const [selector, done] = [arguments[0], arguments[arguments.length - 1]];
            const box = document.querySelector(selector);
            let longest = 0, last = performance.now(), frames = 0;
            function step() {
              const now = performance.now();
              longest = Math.max(longest, now - last);
              last = now;
              box.scrollTop += box.clientHeight;
              if (++frames < 60 && box.scrollTop + box.clientHeight < box.scrollHeight - 1) {
                requestAnimationFrame(step);
              } else {
                done(longest);
              }
            }
            requestAnimationFrame(step);
            """,
            scroller,
        )
    )


def test_a_thousand_runs(crowded: processes.Server, window: browser.Browser) -> None:
    window.open(url(crowded))

    window.wait_for("#runs-summary", f"{RUNS:,} runs")
    assert nodes(window) < MOST_NODES
    assert received(window) < 2e6
    print("longest frame:", longest_frame(window, "#runs-region"), "ms")
    window.write("#filter", "run-777")
    processes.wait_for("one run to be left", lambda: len(window.texts("tr[data-run]")) == 1)


def test_five_hundred_layers(crowded: processes.Server, window: browser.Browser) -> None:
    window.open(url(crowded, "run", "deep"))

    window.wait_for('.strip-row[data-layer="block.0.relu"]', "%")
    processes.wait_for("all that is asked for at first", lambda: received(window) > 0)
    assert nodes(window) < MOST_NODES
    print("longest frame:", longest_frame(window, "#strips"), "ms")
    window.wait_for('.strip-row[data-layer="block.499.relu"]', "%")
    # 2,048,000 units; a list of their verdicts would be some 400 MB.
    assert received(window) < 4e6
    assert nodes(window) < MOST_NODES


def test_sixty_five_thousand_units(crowded: processes.Server, window: browser.Browser) -> None:
    window.open(url(crowded, "run", "wide", "layer", "fc.relu"))

    window.wait_for("#units-place", "of 65,536 units")
    assert nodes(window) < MOST_NODES
    assert received(window) < 1e6
    window.click('#units thead [data-value="FIRING_RATE"]')
    processes.wait_for(
        "another order",
        lambda: window.texts("#units tbody th")[:2] == ["0", "2"],
    )
    window.click("#page-after")
    window.wait_for("#units-place", "51 to 100")


def test_who_pages_in_haste_sees_what_the_page_says(
    crowded: processes.Server, window: browser.Browser
) -> None:
    def rows() -> list[int]:
        return [int(each.replace(",", "")) for each in window.texts("#units tbody th")]

    window.open(url(crowded, "run", "wide", "layer", "fc.relu"))
    window.wait_for("#units-place", "1 to 50")
    # Both before the answer to the first.
    window.evaluate("for (let i = 0; i < 2; i++) document.querySelector('#page-after').click()")
    processes.wait_for("another page", lambda: "1 to 50 of" not in window.text("#units-place"))
    window.wait_for("#units-place", "51 to 100")
    assert rows() == list(range(50, 100))

    # The token of one order is none of another.
    window.evaluate(
        "document.querySelector('#units thead [data-value=FIRING_RATE]').click();"
        "document.querySelector('#page-after').click()"
    )
    processes.wait_for("the other order", lambda: rows()[:2] == [0, 2])
    assert "1 to 50 of" in window.text("#units-place")


def test_two_hundred_visits_leave_nothing_behind(
    crowded: processes.Server, window: browser.Browser
) -> None:
    views = [
        ((), "tr[data-run]"),
        (("run", "run-001"), "#strips .strip-row"),
        (("run", "run-001", "layer", "fc.relu"), "#units tbody tr"),
        (("run", "run-001", "layer", "fc.relu", "unit", "1"), "#unit-words"),
    ]

    def visit(times: int) -> None:
        for _ in range(times):
            for route, ready in views:
                window.evaluate("location.hash = arguments[0]", "#/" + "/".join(route))
                window.wait_for(ready)

    window.open(url(crowded))
    # Long enough for the engine to have compiled what it will compile.
    visit(15)
    before = window.held()
    visit(50)
    after = window.held()

    print(before, after)
    assert after["listeners"] <= before["listeners"] + 10
    assert after["nodes"] <= before["nodes"] * 1.2 + 500
    assert after["heap"] <= before["heap"] + 0.7e6
