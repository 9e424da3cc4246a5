"""Every file of conf/ can be composed, checked and built; the committed params/ agree with them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, build
from veilbench.bench.trained_model import list_unsupported
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.schemes.codebook import CodebookCipher
from veilbench.families.ciphers.schemes.keyed import KeyedCipher
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.conf import conf_folders
from veilbench.workflow.listed import read_listed, read_staged
from veilbench.workflow.resolve import SHOWN, list_shown, resolve_experiment

CONF = conf_folders()[-1]
ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.fixture(scope="module")
def data() -> dict[str, Config]:
    """Resolved data sets by name, which experiments share; empty at first."""
    return {}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_can_be_built_and_has_its_params(
    name: str, data: dict[str, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    if name in read_listed():
        config = resolve_experiment(name, data)
        used = config["names"]["data"]
        for params, resolved in ((f"{name}.yaml", config), (f"data/{used}.yaml", data[used])):
            committed = yaml.load((ROOT / "params" / params).read_text(), yaml.CSafeLoader)
            assert committed == resolved, f"params/{params} is stale: run `dvc repro resolve`"
        assert read_staged()[name] == used
    else:  # it is heavy, and run by name
        config = plain(composed([f"experiment={name}"]))
    assert config["names"]["experiment"] == name
    for group in ("data", "model", "training", "trainer", "tracking"):
        assert not isinstance(build(config[group]), dict), f"{group} describes no object"
    for group in ("evaluation", "attack"):
        assert config[group], f"no {group} at all"
        assert all(not isinstance(built, dict) for built in build(config[group]).values())


SETTINGS = {  # for each family: data, model and training with which a choice may have to be combined
    "text plaintext none": "ciphers",
    "text cipher_small central": "ciphers",
    "text cipher_keyed adversarial": "ciphers",
    "digits pca none": "autoencoders",
    "digits undercomplete rows": "autoencoders",
    "prints_small raw_template none": "templates",
    "prints_small hashmap hashmap": "templates",
    "embeddings embeddings none": "templates",
    "prints_small hashmap_clients hashmap_clients": "templates",
    "mail_small logistic_filter none": "mail",
    "mail_small mail_classifier federated": "mail",
}


def chosen_by(experiment: str) -> set[str]:
    """Return what an experiment's own defaults list chooses, as "group=name"."""
    entries = yaml.safe_load((CONF / "experiment" / f"{experiment}.yaml").read_text()).get("defaults", [])
    chosen = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    lists = [(key.removeprefix("override /"), value if isinstance(value, list) else [value]) for key, value in chosen]
    return {f"{group}={name}" for group, names in lists for name in names}


CHOSEN = set().union(*map(chosen_by, EXPERIMENTS))  # each experiment is composed above
OTHERS = [
    (group, path.stem)
    for group in ("data", "model", "training", "trainer", "evaluation", "attack", "tracking")
    for path in sorted((CONF / group).glob("*.yaml"))
    if f"{group}={path.stem}" not in CHOSEN
]


@pytest.mark.parametrize(("group", "name"), OTHERS)
def test_every_choice_that_no_experiment_makes_composes_with_what_it_fits(group: str, name: str) -> None:
    choice = f"{group}=[{name}]" if group in ("attack", "evaluation") else f"{group}={name}"
    text, refusals = (CONF / group / f"{name}.yaml").read_text(), []
    for setting in sorted(SETTINGS, key=lambda setting: f".families.{SETTINGS[setting]}." not in text):  # to be quick
        words = [f"{key}={name}" for key, name in zip(("data", "model", "training"), setting.split(), strict=True)]
        try:
            plain(composed([*(word for word in words if word.split("=")[0] != choice.split("=")[0]), choice]))
        except UserError as error:
            refusals.append(str(error))
        else:
            return
    pytest.fail("\n".join(refusals))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("experiment=undercomplete attack=[frequency]", "attack.frequency does not apply to data=RowsData"),
        ("experiment=undercomplete evaluation=[fidelity]", "evaluation.fidelity does not apply to data=RowsData"),
        ("experiment=cipher_small data=digits", "model=CipherPair does not fit data=RowsData: it takes Texts"),
        ("experiment=hashmap data=mail_small", "model=Hashmap does not fit data=MailData"),
        (
            "experiment=embeddings attack=[template_oracle]",
            "attack.template_oracle does not apply to data=EmbeddingsData",
        ),
        ("experiment=biohash data=embeddings", "it takes ImageIdentities, and the data are EmbeddedIdentities"),
        ("experiment=torch_encoder data=embeddings", "model=RawTemplate does not fit data=EmbeddingsData"),
        (
            "experiment=torch_encoder model.extractor.module._target_=veilbench.bench.threat.ThreatModel",
            "ThreatModel is not allowed: ThreatModel is not a Module",
        ),
        ("experiment=cipher_small training=none", "training=NoTraining does not fit model=CipherPair"),
        ("experiment=cipher_small model=aes_ctr", "training=Central does not fit model=AesCtr"),
        ("experiment=undercomplete training=federated", "it trains a FederatedModel"),
        ("experiment=isolation_forest", "there is no experiment=isolation_forest"),
        ("experiment=pca model=isolation_forest", "it examines a Representation"),
        ("experiment=cipher_joint attack=[key_sensitivity]", "the code of these networks is not made of key bits"),
        ("experiment=plaintext attack=[key_sensitivity]", "plaintext has no key"),
        ("experiment=cipher_small attack=[key_search]", "its keys cannot be enumerated"),
        ("experiment=cipher_small attack=[fresh_eve]", "it does not encrypt blocks of bits"),
        ("experiment=cipher_keyed attack=[frequency]", "it encrypts 2 characters at once"),
        ("experiment=mail_central attack=[mail_poison]", "it is not trained in a federation"),
        ("experiment=mail_logistic attack=[mail_word_leak]", "it is not trained in a federation"),
        ("experiment=denoising model=convolutional_denoising attack=[inversion]", "a net without bottleneck"),
        (
            "experiment=aes_ctr ++model._target_=veilbench.bench.threat.ThreatModel",
            "it is not a Trainable or a TrainedModel",
        ),
        (
            "experiment=pca ++evaluation.probe._target_=veilbench.families.autoencoders.baselines.pca.Pca",
            "evaluation.probe=Pca is not allowed: it is not an Evaluation",
        ),
    ],
)
def test_what_does_not_fit_is_refused_while_composing(overrides: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        plain(composed(overrides.split()))
    assert said in str(refused.value)


def test_what_an_experiment_lists_may_need_images_that_the_data_lack() -> None:
    config = plain(composed(["experiment=embeddings_biohash"]))
    assert {"template_linkage", "template_oracle"} < config["attack"].keys()


def test_methods_marked_as_unsupported_raise_and_others_do_not_say_so() -> None:
    for kind in (Plaintext, OneTimePad, AesCtr, Substitution, CodebookCipher, KeyedCipher):
        for name in ("with_key_bit_flipped", "decrypt_under", "encrypt_blocks"):
            source = inspect.getsource(getattr(kind, name))
            always = source.split('"""')[-1].strip().startswith("raise NotImplementedError")
            assert always == (name in list_unsupported(kind)), (kind, name)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "aggregation").glob("*.yaml")))
def test_every_aggregation_composes_with_a_federation(name: str) -> None:
    words = ["data=mail_small", "model=mail_classifier", "training=federated", f"aggregation={name}"]
    made = plain(composed(words))["training"]["aggregation"]
    rule = made.get("rule", name)
    assert rule == name
    assert made["_target_"].startswith("veilbench.federated.aggregations.")


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("data=mail_folder", "MailFolder"),
        ("data=mail_csv", "MailCsv"),
        ("data=enron_folders", "EnronFolders"),
        ("data=mail_dirichlet", "DirichletClients"),
        ("model=denoising_dropout", "Dropout"),
        ("aggregation=faulty", "Faulty"),
    ],
)
def test_what_no_experiment_uses_can_be_chosen(choice: str, kind: str) -> None:
    experiment = "denoising" if choice.startswith("model") else "mail_federated"
    config = plain(composed([f"experiment={experiment}", choice]))
    group = "training" if choice.startswith("aggregation") else choice.partition("=")[0]
    parts = vars(build(config[group])).values()
    assert kind in {type(part).__name__ for part in parts}


def test_shadow_models_of_the_full_attack_are_trained_as_the_target() -> None:
    changed = ["training.max_steps=700", "training.batch_size=48", "model.learning_rate=0.005"]
    made = plain(composed(["experiment=undercomplete", "attack=[membership_full]", *changed]))
    shadows = made["attack"]["membership"]["shadows"]
    assert [shadows[name] for name in ("steps", "batch_size", "learning_rate")] == [700, 48, 0.005]
    untrained = plain(composed(["experiment=pca", "attack=[membership_full]"]))["attack"]["membership"]["shadows"]
    assert [untrained[name] for name in ("steps", "batch_size", "learning_rate")] == [2000, 64, 0.002]


def test_the_committed_params_are_of_the_listed_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names = read_listed()
    assert set(names) <= set(EXPERIMENTS)
    assert {path.stem for path in (ROOT / "params").glob("*.yaml")} == set(names) == set(read_staged())
    assert {path.stem for path in (ROOT / "params" / "data").glob("*.yaml")} == set(read_staged().values())


def test_the_committed_metrics_and_plots_are_of_the_listed_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    listed = yaml.load(SHOWN.read_text(encoding="utf8"), yaml.CSafeLoader)
    assert listed == list_shown(read_listed()), f"{SHOWN} is stale: run `dvc repro resolve`"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "pipeline.yaml, line 2, column 1"),
        ("experiments: {a: b}", "experiments="),
        ("experiments: []", "at least one name"),
        ("experiments: [a, b, a]", "lists a more than once"),
        ("experiments: [1]", "list of at least one name"),
    ],
)
def test_a_list_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "pipeline.yaml").write_text(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=re.escape(said)):
        read_listed()


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
        ("model.encrypter=[0]", "model.encrypter"),
        ("training.max_steps=0", "training.max_steps=0 is not allowed"),
        ("trainer.accelerator=abacus", "trainer.accelerator='abacus' is not allowed"),
        ("attack.frequency.lengths=[]", "attack.frequency.lengths"),
        ("model.nonesuch=1", "model.nonesuch"),
        ("seed=-1", "seed=-1 is not allowed"),
        ("+colour=red", "unknown key colour=red"),
        ("+attack.fresh_eve.hidden=[5]", "attack.fresh_eve={'hidden': [5]} sets up what is not chosen"),
    ],
)
def test_a_bad_override_is_one_line_that_names_it(override: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        plain(composed(["experiment=cipher_small", override]))
    text = str(refused.value)
    assert said in text
    assert "Error merging override" not in text or ":" in text
