"""The dashboards are what the sources write, and every panel explains itself.

The rules are those of Grafana's dashboard-linter that apply, and the project's:
no panel without a description, none on top of another.
"""

import itertools
import json
import pathlib
import re
import subprocess
from typing import Any

import pytest

GRAFANA = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in FILES}
GRID_WIDTH = 24
# Grafana's own, as a query finds them.
BUILT_IN = {"$__rate_interval": "1m", "$__interval": "15s"}

Json = dict[str, Any]


def panels(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


PANELS = [
    pytest.param(name, panel, id=f"{name}: {panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in panels(dashboard)
]


def annotations(dashboard: Json) -> list[Json]:
    found: list[Json] = dashboard["annotations"].get("list", [])
    return found


def urls(part: Any) -> list[str]:
    """Where anything of a dashboard links to."""
    if isinstance(part, list):
        return [url for each in part for url in urls(each)]
    if not isinstance(part, dict):
        return []
    own = [value for key, value in part.items() if key == "url"]
    return own + [url for each in part.values() for url in urls(each)]


def expressions(dashboard: Json) -> list[str]:
    found = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    return found + [each["expr"] for each in annotations(dashboard)]


def test_there_are_three() -> None:
    assert set(DASHBOARDS) == {"training", "fleet", "server"}


def test_they_are_what_the_sources_write(tmp_path: pathlib.Path) -> None:
    subprocess.run(["node", str(GRAFANA / "build.js"), str(tmp_path)], check=True, timeout=60)

    for path in FILES:
        assert (
            tmp_path / path.name
        ).read_text() == path.read_text(), (
            f"{path.name} is out of date: run `npm run build` in deploy/grafana"
        )


@pytest.mark.parametrize("name", DASHBOARDS)
def test_it_can_be_provisioned(name: str) -> None:
    dashboard = DASHBOARDS[name]

    assert dashboard["uid"] == f"firekeeper-{name}"
    assert dashboard["title"].startswith("Firekeeper / ")
    assert dashboard["description"]
    assert "__inputs" not in dashboard
    assert dashboard.get("id") is None
    assert dashboard["editable"] is False
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_its_data_source_is_a_variable(name: str) -> None:
    dashboard = DASHBOARDS[name]
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}

    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    for each in [*annotations(dashboard), *panels(dashboard)]:
        assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for variable in variables.values():
        assert variable["label"]
        if variable["type"] == "query":
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["refresh"] == 2, "on a change of the time range"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_it_uses_every_variable_and_no_other(name: str) -> None:
    dashboard = DASHBOARDS[name]
    defined = {each["name"] for each in dashboard["templating"]["list"]} - {"datasource"}
    text = json.dumps([expressions(dashboard), dashboard["templating"], urls(dashboard)])
    used = set(re.findall(r"\$\{?([a-z]+)\b", text)) - {"datasource"}

    assert used == defined


@pytest.mark.parametrize("name", ["fleet", "training"])
def test_it_links_to_the_page_of_a_run_whatever_its_name(name: str) -> None:
    of_page = [url for url in urls(DASHBOARDS[name]) if url.startswith("${page}")]

    assert of_page
    for url in of_page:
        assert re.fullmatch(
            r"\$\{page\}/#/run/\$\{[\w.]+:percentencode\}(/layer/\$\{[\w.]+:percentencode\})?", url
        ), url


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_explains_itself(name: str, panel: Json) -> None:
    del name
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    references = [target["refId"] for target in panel["targets"]]
    assert references and len(set(references)) == len(references) and all(references)
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
    if panel["type"] in {"timeseries", "state-timeline"}:
        assert panel["options"]["legend"]["showLegend"]
        # "{state=…}" is no legend.
        assert all(target["legendFormat"] for target in panel["targets"])
    if panel["type"] in {"stat", "bargauge"}:
        assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_panel_lies_on_another(name: str) -> None:
    places = [panel["gridPos"] for panel in DASHBOARDS[name]["panels"]]

    assert all(place["x"] + place["w"] <= GRID_WIDTH for place in places)
    for a, b in itertools.combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_parses(name: str) -> None:
    queries = expressions(DASHBOARDS[name])
    for variable, value in BUILT_IN.items():
        queries = [each.replace(variable, value) for each in queries]

    parsed = subprocess.run(
        ["node", str(GRAFANA / "parse.js")],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert json.loads(parsed.stdout) == []


def test_the_parser_refuses_what_is_no_query() -> None:
    parsed = subprocess.run(
        ["node", str(GRAFANA / "parse.js")],
        input=json.dumps(["sum(up)", "sum(up"]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert json.loads(parsed.stdout) == ["sum(up"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_counters_are_never_shown_as_they_are(name: str) -> None:
    for expression in expressions(DASHBOARDS[name]):
        for counter in re.findall(r"(\w+\()?(\w+_total)\{", expression):
            assert counter[0] in {"rate(", "increase("}, expression
