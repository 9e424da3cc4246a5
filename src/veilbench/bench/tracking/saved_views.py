"""Saves a view for each family in MLflow: the menu "Views" of the page with the runs opens it, and so does a link.

MLflow keeps a view as a tag of its experiment: an object with a name and the state of the page as JSON. The names of
the state's fields are those of MLflow 3.17's user interface; an older one shows its own default page.
"""

from __future__ import annotations

import json
from typing import Any

from veilbench.bench.family import Family
from veilbench.bench.tracking.claim import STAGE
from veilbench.bench.tracking.row import CONTROLS, COSTS, COUNTED, GAIN, LOW, utility_name
from veilbench.bench.tracking.store import Store

PREFIX = "mlflow.sharedViewState."
SECTION = "privacy-against-utility"
MOST_RUNS = 100  # drawn in a chart; MLflow's default is 10


def save_view(store: Store, family: Family) -> None:
    """Save the view of a family, unless the store has it."""
    key, value = f"{PREFIX}{family.name}", _encode(family)
    if store.tags.get(key) != value:
        store.client.set_experiment_tag(store.group, key, value)


def _encode(family: Family) -> str:
    # MLflow shows `createdAt`, in ms since 1970; a constant keeps the tag equal between publishers.
    return json.dumps({"name": family.title, "createdAt": 0, "state": json.dumps(describe_view(family))})


def describe_view(family: Family) -> dict[str, Any]:
    """Return the state of MLflow's page that compares the experiments of a family.

    All runs of the family are shown, sorted by the gain of the strongest attack. The charts show this gain against each
    measure of utility, and then the same numbers on parallel axes.
    """
    utility = [utility_name(column.metric) for column in family.columns]
    metrics = [GAIN, LOW, *COUNTED.values(), CONTROLS, *utility, *COSTS]
    columns = ["tags.`verdict`", "tags.`strongest_attack`", *(f"metrics.`{name}`" for name in metrics)]
    columns += ["params.`model`", "params.`data`", "params.`seed`", "attributes.`Dataset`", "attributes.`Models`"]
    charts = [_scatter(name, column.label) for name, column in zip(utility, family.columns, strict=True)]
    charts.append(_parallel([*utility, GAIN]))
    return {
        "searchFilter": f"tags.`{STAGE}` = 'experiment' AND tags.family = '{family.name}'",
        "orderByKey": f"metrics.`{GAIN}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": _sections(),
        "isAccordionReordered": True,
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "autoRefreshEnabled": False,
    }


def _sections() -> list[dict[str, Any]]:
    names = {SECTION: "Privacy against utility", "privacy": "privacy", "utility": "utility", "cost": "cost"}
    return [{"uuid": key, "name": name, "display": True, "isReordered": True} for key, name in names.items()]


def _chart(kind: str, name: str, title: str) -> dict[str, Any]:
    common = {"runsCountToCompare": MOST_RUNS, "metricSectionId": SECTION, "deleted": False, "isGenerated": False}
    return {"uuid": f"{kind}-{name}", "type": kind, "displayName": title, **common}


def _scatter(metric: str, label: str) -> dict[str, Any]:
    axes = {"xaxis": {"key": GAIN, "type": "METRIC"}, "yaxis": {"key": metric, "type": "METRIC"}}
    return {**_chart("SCATTER", metric, f"{label} against the gain of the strongest attack"), **axes}


def _parallel(metrics: list[str]) -> dict[str, Any]:
    axes = {"selectedParams": ["model"], "selectedMetrics": metrics, "showAllRuns": True}
    return {**_chart("PARALLEL", "all", "Model, utility and the gain of the strongest attack"), **axes}
