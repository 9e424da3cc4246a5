"""The view of a family: what MLflow's page reads from the experiment's tags."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_records import FAMILY, config, job, make
from mlflow.tracking import MlflowClient

from veilbench.bench.tracking.publishing import publish
from veilbench.bench.tracking.saved_views import describe_view, save_view
from veilbench.bench.tracking.store import Store, open_store
from veilbench.families import MODULES


def tags(store: Path) -> dict[str, str]:
    client = MlflowClient(f"sqlite:///{store}")
    return dict(client.get_experiment_by_name("veilbench").tags)


def test_the_experiment_is_of_model_training_and_has_the_view(tmp_path: Path, store: Path) -> None:
    publish(job(make(tmp_path / "r", config()), config(), store))
    found = tags(store)
    assert found["mlflow.experimentKind"] == "custom_model_development"
    view = json.loads(found["mlflow.sharedViewState.ciphers"])
    assert view["name"] == "Text ciphers"
    assert json.loads(view["state"]) == describe_view(FAMILY)
    client = MlflowClient(f"sqlite:///{store}")
    group = client.get_experiment_by_name("veilbench").experiment_id
    shown = client.search_runs([group], json.loads(view["state"])["searchFilter"])
    assert [run.data.tags["veilbench.stage"] for run in shown] == ["experiment"]
    described = describe_view(FAMILY)
    for card in described["compareRunCharts"][:-1]:
        assert {card["xaxis"]["key"], card["yaxis"]["key"]} <= {"privacy/gain", "utility/leak.share"}
    assert set(described["compareRunCharts"][-1]["selectedMetrics"]) == {"utility/leak.share", "privacy/gain"}


def test_an_earlier_store_gets_a_kind_and_what_the_user_has_set_stays(tmp_path: Path, store: Path) -> None:
    client = MlflowClient(address := f"sqlite:///{store}")
    client.create_experiment("veilbench", tags={"mlflow.note.content": "mine"})
    open_store(address, "veilbench", 60)
    found = tags(store)
    assert (found["mlflow.experimentKind"], found["mlflow.note.content"]) == ("custom_model_development", "mine")


def test_a_view_is_written_once() -> None:
    written: list[tuple[str, ...]] = []
    client: Any = SimpleNamespace(set_experiment_tag=lambda *words: written.append(words))
    save_view(Store(client, "1"), FAMILY)
    ((group, key, value),) = written
    save_view(Store(client, "1", {key: value}), FAMILY)
    assert (len(written), group) == (1, "1")


@pytest.mark.parametrize("module", MODULES)
def test_every_family_has_a_chart_for_each_measure_of_utility(module: str) -> None:
    from importlib import import_module

    family = import_module(module).FAMILY
    view = describe_view(family)
    assert len(view["compareRunCharts"]) == len(family.columns) + 1
    assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} == {view["compareRunSections"][0]["uuid"]}
    assert len(json.dumps(view)) < 10_000  # MLflow allows a tag of 20,000 characters
