"""Experiments on embeddings: what needs no images runs, what needs them says so, in the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from finished_net import Finished

from veilbench.bench import stages
from veilbench.bench.errors import UserError
from veilbench.families.templates.store.recogniser import load
from veilbench.workflow.compose import composed, plain

ATTACKS = ("template_attribute", "template_linkage", "template_feature_inversion", "template_oracle")


@pytest.fixture(scope="module")
def root(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages of embeddings_biohash, with all evaluations and some attacks."""
    words = ["experiment=embeddings_biohash", f"data.source.path={finished.path('embeddings.csv')}", "model.bits=16"]
    words += ["data.source.attributes=[sex]", "attack.template_attribute.judged=sex", "tracking=none", "trainer=cpu"]
    config = plain(composed(words))
    config["attack"] = {name: config["attack"][name] for name in ATTACKS}
    folder = tmp_path_factory.mktemp("embeddings")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stages.run_all(config, folder)
    return folder


def found(root: Path, stage: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / stage / "findings.json").read_text())
    return content


def test_every_evaluation_takes_embeddings(root: Path) -> None:
    evaluated = found(root, "evaluate")
    assert evaluated["verification"]["metrics"]["eer_own_token"]["value"] < 0.2
    assert "rank_correlation_embeddings_all" in evaluated["distance_preservation"]["metrics"]
    assert "image_height" not in evaluated["deployment"]["metrics"]
    assert len(evaluated) == 5


def test_a_store_takes_images_alone(root: Path) -> None:
    with pytest.raises(UserError, match="holds a model of embeddings, and a store takes images"):
        load(root / "train")


def test_attacks_without_images_give_verdicts_and_the_others_their_reason(root: Path) -> None:
    attacked = found(root, "attack")
    assert {name for name, one in attacked.items() if one["verdict"]} == set(ATTACKS[:-1])
    oracle = attacked["template_oracle"]
    assert oracle["reason"] == (
        "not applicable by construction: it examines ImageIdentities, and these are EmbeddedIdentities"
    )
    assert oracle["gain"] is None
    assert oracle["threat"]["score_queries"]
