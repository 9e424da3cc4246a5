"""Every file of conf/ composes, is checked, and can be built; what is committed in params/ is what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pipelines.compose import composed, plain
from pipelines.explain import CONF
from pipelines.listed import listed
from pipelines.resolve import resolve_data, resolve_experiment

from veilbench.errors import UserError
from veilbench.experiment import build

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_and_can_be_built(name: str) -> None:
    config = plain(composed([f"experiment={name}"]))
    assert config["names"]["experiment"] == name
    for group in ("data", "model", "training", "trainer", "tracking"):
        assert not isinstance(build(config[group]), dict), f"{group} describes no object"
    for group in ("evaluation", "attack"):
        assert config[group], f"no {group} at all"
        assert all(not isinstance(built, dict) for built in build(config[group]).values())


@pytest.mark.parametrize(
    "choice",
    [
        f"{group}={path.stem}" if group not in ("attack", "evaluation") else f"{group}=[{path.stem}]"
        for group in ("data", "model", "training", "trainer", "evaluation", "attack", "tracking")
        for path in sorted((CONF / group).glob("*.yaml"))
    ],
)
def test_every_choice_of_every_group_composes(choice: str) -> None:
    words = [choice] if choice.startswith("model=") else ["model=plaintext", choice]
    plain(composed(words))


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "aggregation").glob("*.yaml")))
def test_every_aggregation_composes_with_a_federation(name: str) -> None:
    words = ["data=mail_small", "model=mail_classifier", "training=federated", f"aggregation={name}"]
    made = plain(composed(words))["training"]["aggregation"]
    rule = made.get("rule", name)
    assert rule == name
    assert made["_target_"].startswith("veilbench.federated.aggregations.")


def test_the_pipeline_lists_experiments_that_exist_with_their_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    datasets, experiments = listed()
    for name, data in experiments.items():
        assert plain(composed([f"experiment={name}"]))["names"]["data"] == data
    assert set(datasets) == set(experiments.values())
    assert set(experiments) <= set(EXPERIMENTS)  # the others are heavy, and run by name


def test_the_committed_params_are_what_conf_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    datasets, experiments = listed()
    data = {name: resolve_data(name) for name in datasets}
    for name in experiments:
        committed = yaml.safe_load((ROOT / "params" / f"{name}.yaml").read_text())
        assert committed == resolve_experiment(name, data), f"params/{name}.yaml is stale: run `dvc repro resolve`"
    assert {path.stem for path in (ROOT / "params").glob("*.yaml")} == set(experiments)


def test_an_experiment_that_changes_shared_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"text": {"data": {"_target_": "something.else"}}}
    with pytest.raises(UserError, match="changes data text; give the change a name"):
        resolve_experiment("plaintext", data)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model=nonesuch", "there is no model=nonesuch; there are: aes_ctr, aes_gcm"),
        ("+model.typo=1", "unknown key model.typo=1; allowed: encrypter"),
        ("model.code_bits=-1", "model.code_bits"),
        ("model.learning_rate=fast", "model.learning_rate='fast' is not allowed"),
        ("model.encrypter=[91,8]", "encrypter ends with 8, but decrypter begins with 32"),
        ("training.max_steps=0", "training.max_steps=0 is not allowed"),
        ("trainer.accelerator=abacus", "trainer.accelerator='abacus' is not allowed"),
        ("attack.frequency.lengths=[]", "attack.frequency.lengths"),
        ("model.nonesuch=1", "model.nonesuch"),
        ("seed=-1", "seed=-1 is not allowed"),
        ("+colour=red", "unknown key colour=red"),
        ("+attack.fresh_eve.steps=5", "attack.fresh_eve={'steps': 5} sets up what is not chosen"),
    ],
)
def test_a_bad_override_is_one_line_that_names_it(override: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        plain(composed(["experiment=cipher_small", override]))
    text = str(refused.value)
    assert said in text
    assert "Error merging override" not in text or ":" in text
