"""Configurations are checked against constructors: every mistake gives a one-line error."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import SETTINGS, Config, build, build_as, check, identity, load, load_data, named, part
from veilbench.families.ciphers.attacks.frequency import Frequency
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import TextData

THREAT = {"_target_": "veilbench.bench.threat.ThreatModel", "auxiliary_data": True}
TEXT = {"_target_": "veilbench.families.ciphers.data.text.TextData", "words": [5, 9], "longest_word": 4, "seed": 2}
PAIR = {
    "_target_": "veilbench.families.ciphers.modules.cipher_pair.CipherPair",
    "encrypter": [91, 8],
    "decrypter": [8, 91],
    "code_bits": 8,
}
FREQUENCY = {
    "_target_": "veilbench.families.ciphers.attacks.frequency.Frequency",
    "threat": THREAT,
    "positive": {"_target_": "veilbench.families.ciphers.baselines.substitution.Substitution", "code_bits": [8, 9]},
    "negative": {"_target_": "veilbench.families.ciphers.baselines.aes_ctr.AesCtr"},
    "lengths": [20, 10],
}


def config() -> Config:
    return copy.deepcopy({"data": TEXT, "model": PAIR, "attack": {"frequency": FREQUENCY}})


def changed(path: str, value: Any) -> Config:
    """Return the configuration with one value replaced at a dotted path."""
    root = config()
    *above, last = path.split(".")
    node = root
    for key in above:
        node = node[key]
    node[last] = value
    return root


def refusal(node: Any) -> str:
    """Return the one-line error that refuses a configuration."""
    with pytest.raises(UserError) as refused:
        check(node)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_a_good_configuration_is_accepted() -> None:
    check(config())


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("data.words", (5, 9), None),
        ("model.code_bits", [8], None),
        ("model.learning_rate", 1, None),
        ("model.travels", "floats", None),
        ("attack.frequency.broken_threshold", 0.5, None),
        ("data.wrods", 3, "did you mean data.words?"),
        ("data.wrods", 3, "allowed: words, longest_word, docstrings, seed"),
        ("data.zzzzzz", 3, "unknown key data.zzzzzz=3"),
        ("attack.frequency.threat.auxilary_data", True, "attack.frequency.threat.auxiliary_data?"),
        ("attack.frequency.positive.sed", 1, "did you mean attack.frequency.positive.seed?"),
        ("attack.frequency.negative.keys", 1, "unknown key attack.frequency.negative.keys=1"),
        ("data.seed", "2", "data.seed='2' is not allowed: input should be a valid integer"),
        ("data.seed", 2.0, "data.seed=2.0 is not allowed: input should be a valid integer"),
        ("data.seed", True, "data.seed=True is not allowed: input should be a valid integer"),
        ("data.seed", None, "data.seed=None is not allowed: input should be a valid integer"),
        ("data.seed", -1, "data.seed=-1 is not allowed: input should be greater than or equal to 0"),
        ("data.longest_word", 0, "data.longest_word=0 is not allowed: input should be greater than"),
        ("model.learning_rate", 0, "model.learning_rate=0 is not allowed: input should be greater than 0"),
        ("model.learning_rate", float("nan"), "model.learning_rate=nan is not allowed"),
        ("model.mapping", "no", "model.mapping='no' is not allowed: input should be a valid boolean"),
        ("model.travels", "bytes", "model.travels='bytes' is not allowed: input should be 'bits' or 'floats'"),
        ("model.encrypter", [91, "8"], "model.encrypter[1]='8' is not allowed"),
        (
            "attack.frequency.broken_threshold",
            0.0,
            "attack.frequency.broken_threshold=0.0 is not allowed: input should be greater than 0",
        ),
        ("attack.frequency.lengths", [20, 0], "attack.frequency.lengths[1]=0 is not allowed"),
        ("attack.frequency.texts", 1, "attack.frequency.texts=1 is not allowed"),
        ("attack.frequency.threat", 3, "attack.frequency.threat=3 is not allowed"),
        ("attack.frequency.threat.key", 1, "attack.frequency.threat.key=1 is not allowed"),
        ("attack.frequency.positive.code_bits", [8, 6], "attack.frequency.positive.code_bits[1]=6"),
    ],
)
def test_a_change_is_accepted_or_refused_by_key_value_and_what_is_allowed(
    path: str, value: Any, said: str | None
) -> None:
    if said is None:
        check(changed(path, value))
    else:
        assert said in refusal(changed(path, value))


@pytest.mark.parametrize("key", ["threat", "positive", "negative"])
def test_a_missing_key_is_named_with_its_class(key: str) -> None:
    node = config()
    del node["attack"]["frequency"][key]
    assert refusal(node) == f"missing key attack.frequency.{key} for {FREQUENCY['_target_']}"


@pytest.mark.parametrize(
    "target",
    [
        "veilbench.families.ciphers.data.text.Text",
        "veilbench.nowhere.Thing",
        "nowhere",
        "",
        "veilbench.families.ciphers.data.text.",
        "....",
    ],
)
def test_an_unknown_target_is_named_with_its_place(target: str) -> None:
    assert f"data._target_={target} names nothing that can be imported" in refusal(changed("data._target_", target))


def rows_of(source: Any) -> Config:
    return {"data": {"_target_": "veilbench.families.autoencoders.data.rows.RowsData", "source": source}}


def test_a_part_that_a_protocol_describes_has_a_target_of_its_own() -> None:
    digits = {"_target_": "veilbench.families.autoencoders.data.loaders.sklearn_set.SklearnSet", "name": "digits"}
    check(rows_of(digits))
    assert build(rows_of(digits))["data"].source.name == "digits"
    assert "data.source.name='letters' is not allowed: input should be 'digits'" in refusal(
        rows_of(digits | {"name": "letters"})
    )


@pytest.mark.parametrize("value", ["digits", 3, None, ["digits"], {"name": "digits"}])
def test_a_plain_value_in_place_of_such_a_part_is_refused(value: Any) -> None:
    assert refusal(rows_of(value)) == f"data.source={value!r} is not allowed: a Source is described by its _target_"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"normal": "0"}, "data.normal='0' is not allowed"),
        ({"normal": [0]}, "data.normal[0]=0 is not allowed: input should be a valid string"),
        ({"scale": "log"}, "data.scale='log' is not allowed: input should be 'none', 'minmax' or 'standard'"),
        ({"split": ["half", 0.1, 0.2, 0.2]}, "data.split[0]='half' is not allowed"),
        ({"most_rows": 3}, "data.most_rows=3 is not allowed"),
    ],
)
def test_values_of_rows_are_checked_beside_their_source(change: Config, said: str) -> None:
    node = rows_of(
        {"_target_": "veilbench.families.autoencoders.data.loaders.sklearn_set.SklearnSet", "name": "digits"}
    )
    node["data"] |= change
    assert said in refusal(node)


def test_a_target_that_is_no_source_is_refused() -> None:
    assert (
        "data.source._target_=veilbench.families.ciphers.data.text.TextData is not allowed: it is not a Source"
        in refusal(rows_of(TEXT))
    )


def test_mistakes_inside_lists_are_found_with_their_index() -> None:
    assert "parts[1].seed='x'" in refusal({"parts": [TEXT, TEXT | {"seed": "x"}]})


def test_checking_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    @functools.wraps(TextData.__init__)
    def refuse(*args: Any, **settings: Any) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr(TextData, "__init__", refuse)
    check(config())
    with pytest.raises(AssertionError):
        build(config())


def test_build_makes_the_parts_first() -> None:
    attack = build(config())["attack"]["frequency"]
    assert isinstance(attack, Frequency)
    assert isinstance(attack.positive, Substitution)
    assert attack.positive.bits.tolist() == [8, 9]
    assert attack.threat.granted() == ["ciphertext", "public_ids", "auxiliary_data"]
    assert attack.lengths == [10, 20]


def test_build_leaves_plain_values_alone() -> None:
    plain = {"a": [1, {"b": None}], "c": "d", "e": 0.5}
    assert build(plain) == plain


def test_build_makes_what_lists_hold() -> None:
    made = build([TEXT, {"x": TEXT}])
    assert isinstance(made[0], TextData)
    assert isinstance(made[1]["x"], TextData)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (TEXT | {"words": [9, 5]}, "TextData: words=[9, 5] must be two numbers"),
        (PAIR | {"code_bits": [8, 8]}, "CipherPair: code_bits=[8, 8] must be"),
        (PAIR | {"code_bits": 6}, "CipherPair: code_bits=6 cannot tell 91 characters apart"),
    ],
)
def test_an_impossible_value_names_the_class_and_the_value(change: Config, said: str) -> None:
    check(change)  # all types are right
    with pytest.raises(UserError) as refused:
        build(change)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_part_must_be_of_the_class_that_its_argument_takes() -> None:
    said = refusal(changed("attack.frequency.threat", TEXT))
    assert said == (
        "attack.frequency.threat._target_=veilbench.families.ciphers.data.text.TextData is not allowed: it is not a "
        "ThreatModel"
    )
    source = rows_of({"_target_": "veilbench.families.autoencoders.baselines.pca.Pca", "code": 2})
    assert "it is not a Source" in refusal(source)


def test_a_description_in_a_file_must_be_of_the_kind_that_is_read() -> None:
    assert isinstance(build_as(TextData, TEXT, "data"), TextData)
    with pytest.raises(UserError, match="ThreatModel is not a TextData"):
        build_as(TextData, THREAT, "data")
    with pytest.raises(UserError, match=r"data\.words=3 is not allowed"):
        build_as(TextData, TEXT | {"words": 3}, "data")


def test_a_part_of_a_damaged_experiment_is_named() -> None:
    assert isinstance(part(config(), "data"), TextData)
    with pytest.raises(UserError, match="no training: training=None"):
        part(config(), "training")
    with pytest.raises(UserError, match=r"data\.words=3 is not allowed"):
        part(changed("data.words", 3), "data")


def test_load_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    whole = config() | {"names": {"data": "text"}, "digests": dict.fromkeys(SETTINGS, "0" * 16), "seed": 3}
    path.write_text(yaml.safe_dump(whole))
    assert load(path) == whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": None}, "one.yaml is damaged: names=None"),
        ({"names": {}}, "names={}"),
        ({"names": {"data": None}}, "names={'data': None}"),
        ({"digests": {}}, "digests={}"),
        ({"digests": ["a"]}, "digests=['a']"),
        ({"digests": {"train": 3}}, "digests={'train': 3}"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": True}, "seed=True"),
        ({"data": None}, "data=None names no class"),
        ({"data": {"words": 3}}, "data={'words': 3} names no class"),
    ],
)
def test_a_damaged_resolved_experiment_is_named(tmp_path: Path, change: Config, said: str) -> None:
    path = tmp_path / "one.yaml"
    whole = {"names": {"data": "text"}, "digests": dict.fromkeys(SETTINGS, "0"), "seed": 0, "data": TEXT}
    path.write_text(yaml.safe_dump(whole | change))
    with pytest.raises(UserError) as refused:
        load(path)
    assert said in str(refused.value)


def test_load_data_reads_what_was_written_and_needs_the_digest_of_its_stage(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    whole = {"data": TEXT, "digests": {"prepare": "0" * 16}}
    path.write_text(yaml.safe_dump(whole))
    assert load_data(path) == whole
    path.write_text(yaml.safe_dump(whole | {"digests": {"train": "0" * 16}}))
    with pytest.raises(UserError, match=r"one\.yaml is damaged: digests="):
        load_data(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "takes one argument, EXPERIMENT"),
        (["a", "b"], "takes one argument, EXPERIMENT"),
        (["--help"], "takes one argument, EXPERIMENT"),
        (["../a"], "EXPERIMENT='../a' is not allowed"),
        (["data/a"], "EXPERIMENT='data/a' is not allowed"),
        ([".."], "EXPERIMENT='..' is not allowed"),
        ([""], "EXPERIMENT='' is not allowed"),
    ],
)
def test_a_stage_takes_one_name(arguments: list[str], said: str) -> None:
    assert named(["pca"], "EXPERIMENT") == "pca"
    with pytest.raises(UserError) as refused:
        named(arguments, "EXPERIMENT")
    assert said in str(refused.value)


def test_a_missing_experiment_lists_those_that_there_are(tmp_path: Path) -> None:
    for name in ("beta", "alpha"):
        (tmp_path / f"{name}.yaml").write_text("{}")
    (tmp_path / "gamma.yaml").mkdir()
    with pytest.raises(UserError, match=r"^no resolved experiment gamma; there are: alpha, beta$"):
        load(tmp_path / "gamma.yaml")
    with pytest.raises(UserError, match="none; run `dvc repro resolve`"):
        load(tmp_path / "empty" / "gamma.yaml")


def test_identity_is_of_everything_that_numbers_depend_on() -> None:
    base = config() | {"seed": 0, "digests": {"train": "ab"}, "tracking": {"uri": None}, "objective": None}
    same = [base | {"tracking": {"uri": "x"}}, base | {"objective": "m"}, dict(reversed(base.items()))]
    other = [base | {"seed": 1}, base | {"digests": {"train": "cd"}}, base | {"data": {}}]
    assert {identity(c) for c in same} == {identity(base)}
    assert len({identity(c) for c in [base, *other]}) == 4
    assert len(identity(base)) == 16
