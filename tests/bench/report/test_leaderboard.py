from __future__ import annotations

import copy
import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from made_bench import Bench
from rich.console import Console

from fake_records import attack, config, put
from veilbench.bench.csv_cells import unescape
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import identity, load
from veilbench.bench.family import family_named
from veilbench.bench.findings import UNITS, BudgetCurve, Findings, Metric
from veilbench.bench.report import leaderboard
from veilbench.bench.report.leaderboard import SCHEMA, flatten, load_rows, overall, worst, write
from veilbench.bench.report.table import print_table
from veilbench.bench.verdict import Verdict

ROUND_TRIP = "fidelity.round_trip_english"


def test_schema_knows_all_units() -> None:
    schema = json.loads(SCHEMA.read_text("utf8"))
    assert schema["$defs"]["metric"]["properties"]["unit"]["enum"] == list(UNITS)


CHECK = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf8")))


def metrics_in(node: Any) -> list[dict[str, Any]]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    own = [node] if isinstance(node, dict) and "low" in node else []
    return own + [found for child in children for found in metrics_in(child)]


def test_schema_holds_and_is_a_schema(made: Bench) -> None:
    jsonschema.Draft202012Validator.check_schema(CHECK.schema)
    rows = made.rows()
    CHECK.validate(json.loads(json.dumps(rows)))
    assert [row["name"] for row in rows] == made.names
    found = metrics_in(rows)
    assert len(found) > 100
    assert all(metric["low"] <= metric["value"] <= metric["high"] for metric in found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "secure"),
        (("verdict",), "private"),
        (("attacks", "frequency", "verdict"), "safe"),
        (("attacks", "frequency", "gain", "value"), math.inf),
        (("attacks", "frequency", "gain", "n"), 0),
        (("attacks", "frequency", "budget"), {"setting": "training steps"}),
        (("attacks", "frequency", "budget"), {"setting": "", "budgets": [1.0], "gains": [0.5]}),
        (("attacks", "frequency", "controls", 0, "kind"), "neutral"),
        (("metrics", "fidelity.bit_error_rate", "value"), "0.1"),
        (("cost", "train_seconds"), -1.0),
        (("cost", "watts"), 3.0),
        (("seconds",), 3.0),
        (("seed",), -1),
        (("digest",), "short"),
        (("mlflow", "filter"), "tags.name = 'x'"),
        (("reproduce",), []),
        (("threat_models", "frequency"), ["key", "key"]),
    ],
)
def test_schema_rejects(made: Bench, path: tuple[str | int, ...], value: Any) -> None:
    broken = copy.deepcopy(made.rows()[1])
    CHECK.validate(json.loads(json.dumps([broken])))
    node: Any = broken
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    assert not CHECK.is_valid([json.loads(json.dumps(broken))])


@pytest.mark.parametrize("key", ["verdict", "attacks", "digest", "reproduce", "cost", "metrics"])
def test_schema_rejects_what_lacks_a_key(made: Bench, key: str) -> None:
    lacking = {k: v for k, v in made.rows()[1].items() if k != key}
    assert not CHECK.is_valid([json.loads(json.dumps(lacking))])


def test_worst_verdict() -> None:
    order = [Verdict.BROKEN, Verdict.LEAKS, Verdict.INCONCLUSIVE, Verdict.HOLDS]
    for index, verdict in enumerate(order):
        assert worst(reversed(order[index:])) == verdict
        assert worst([None, verdict]) == verdict
    assert set(order) == set(Verdict)
    assert worst([]) is None
    assert worst([None]) is None


def test_what_a_verdict_rests_on() -> None:
    leaks, holds = attack("frequency", 0.4), attack("fresh_eve", 0.0)
    assert overall({}) == (None, "no attack was run")
    assert overall({"a": Findings("A")}) == (None, "no attack gave a verdict")
    assert overall({"a": leaks, "b": holds}) == ("leaks", "worst of 2 attacks: a")
    assert overall({"a": holds, "b": holds}) == ("holds at this budget", "all 2 attacks")


def test_a_row_says_what_the_record_says(made: Bench) -> None:
    rows = {row["name"]: row for row in made.rows()}
    small, alone = rows["cipher_small"], rows["cipher_joint"]
    assert small["verdict"] == "broken"
    assert small["threat_models"]["known_plaintext"] == ["ciphertext", "public_ids", "known_pairs"]
    assert small["metrics"]["fidelity.bytes_per_character"]["value"] == 4.0
    assert small["metrics"]["training.steps"]["value"] == 1000
    assert [c["passed"] for c in small["attacks"]["frequency"]["controls"]] == [True, True]
    assert small["cost"]["attack_seconds"] == pytest.approx(62.5)
    assert small["cost"]["rates"]["speed.encrypt_characters_per_second"] == 8.4e6
    assert small["digest"] == identity(load(made.root / "params" / "cipher_small.yaml"))
    assert small["mlflow"]["filter"] == f"tags.`veilbench.digest` = '{small['digest']}'"
    assert rows["aes_ctr"]["verdict"] == "inconclusive"
    assert rows["one_time_pad"]["verdict"] == "holds at this budget"
    assert (alone["verdict"], alone["attacks"], alone["cost"]["attack_seconds"]) == (None, {}, None)


def test_a_row_has_the_growth_with_the_budget(made: Bench) -> None:
    record = next(record for record in made.records() if record.name == "cipher_small")
    found = record.found["attack"]["frequency"]
    assert leaderboard.row(record)["attacks"]["frequency"]["budget"] is found.budget is None
    found.budget = BudgetCurve("characters", [200, np.float32(400)], np.array([0.25, 0.5]))
    changed = leaderboard.row(record)
    expected = {"setting": "characters", "budgets": [200, 400], "gains": [0.25, 0.5]}
    assert changed["attacks"]["frequency"]["budget"] == expected
    CHECK.validate(json.loads(json.dumps([changed])))


def test_no_time_outside_cost(made: Bench) -> None:
    flat = [key for row in made.rows() for key in flatten(row) if not key.startswith("cost.")]
    assert not [key for key in flat if "second" in key]


def test_csv_equals_json(made: Bench, tmp_path: Path) -> None:
    rows = made.rows()
    write(rows, tmp_path)
    assert load_rows(tmp_path / "leaderboard.json") == json.loads(json.dumps(rows))
    with (tmp_path / "leaderboard.csv").open(newline="", encoding="utf8") as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(rows)
    for row, line in zip(rows, read, strict=True):
        expected = {key: str(value) for key, value in flatten(row).items()}
        assert {key: unescape(line[key]) for key in expected} == expected
        assert not any(value for key, value in line.items() if key not in expected)


def test_csv_holds_no_formula(made: Bench, tmp_path: Path) -> None:
    """A cell or heading that a spreadsheet would evaluate is escaped; negative numbers stay numbers."""
    rows = made.rows()
    rows[0]["name"] = rows[0]["family"] = '=HYPERLINK("http://h")'
    rows[0]["metrics"]["@SUM(1)"] = rows[0]["metrics"]["training.loss"] | {"unit": "-2+3", "low": -1.5e-3}
    rows[1]["attacks"]["+gain"] = rows[1]["attacks"]["frequency"]
    write(rows, tmp_path)
    with (tmp_path / "leaderboard.csv").open(newline="", encoding="utf8") as file:
        lines = list(csv.reader(file))
    cells = [cell for line in lines for cell in line]
    assert cells.count('\'=HYPERLINK("http://h")') == 2
    assert "'-2+3" in cells
    assert "-0.0015" in cells
    odd = [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    assert odd
    assert all(math.isfinite(float(cell)) for cell in odd)


def test_a_number_that_is_none_is_never_written(made: Bench, tmp_path: Path) -> None:
    rows = made.rows()
    rows[0]["metrics"]["training.loss"]["value"] = math.nan
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(rows, tmp_path)


def test_no_tracking_no_mlflow(tmp_path: Path) -> None:
    settings = config("x") | {"tracking": {"_target_": "veilbench.bench.tracking.NoTracking"}}
    put(tmp_path, "x", {}, settings)
    row = Bench(tmp_path, ["x"]).rows()[0]
    assert row["mlflow"] is None
    CHECK.validate(json.loads(json.dumps([row])))


@pytest.mark.parametrize("file", ["train/findings.json", "attack/findings.json", "evaluate/cost.json"])
def test_a_missing_record_is_named(made: Bench, file: str) -> None:
    path = made.root / "results" / "aes_ctr" / file
    path.unlink()
    with pytest.raises(UserError) as error:
        made.rows()
    assert str(path) in str(error.value)
    assert f"dvc repro {file.partition('/')[0]}@aes_ctr" in str(error.value)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("findings.json", '"value": 1.0', '"value": 7.0'),
        ("findings.json", "broken", "secure"),
        ("findings.json", "{", "["),
        ("findings.json", '"n": 20', '"n": "x"'),
        ("findings.json", '"low": 0.', '"low": NaN, "l": 0.'),
        ("cost.json", "12.5", '"long"'),
        ("cost.json", "12.5", "Infinity"),
        ("cost.json", "{", "["),
        ("metrics.json", "frequency.gain", "frequency.gains"),
        ("metrics.json", "1.0", "0.9"),
        ("metrics.json", "}", ""),
        ("curves.csv", "curve,x,y", "curve,y,x"),
        ("curves.csv", "plain substitution,100,", "plain substitution,nan,"),
        ("curves.csv", "plain substitution,100,", "plain substitution,much,"),
        ("curves.csv", "plain substitution,100,", '"'),
    ],
)
def test_a_damaged_record_is_named_with_the_remedy(made: Bench, file: str, old: str, new: str) -> None:
    path = made.root / "results" / "plaintext" / "attack" / file
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())
    with pytest.raises(UserError, match=r"is damaged.*run `dvc repro attack@plaintext`") as error:
        made.rows()
    assert str(path) in str(error.value)
    for content in (b"", b"\xff", text.encode()[: len(text) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"is damaged.*run `dvc repro attack@plaintext`"):
            made.rows()


def test_the_record_of_another_experiment_is_refused(made: Bench) -> None:
    """Records that were moved or whose parameters have changed are refused."""
    params = made.root / "params" / "plaintext.yaml"
    settings = yaml.safe_load(params.read_text("utf8"))
    for stage in ("train", "evaluate", "attack"):
        other = settings | {"digests": settings["digests"] | {stage: "other"}}
        params.write_text(yaml.safe_dump(other), "utf8")
        with pytest.raises(UserError, match=rf"plaintext/{stage} was made with other settings or code"):
            made.rows()
    params.write_text(yaml.safe_dump(settings), "utf8")
    (made.root / "results" / "plaintext" / "evaluate" / "made_by.json").unlink()
    with pytest.raises(UserError, match=r"made_by\.json is missing.*run the stage `evaluate` again"):
        made.rows()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"[", b"\xff"])
def test_a_damaged_leaderboard_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "leaderboard.json").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read .*leaderboard\.json.*run `dvc repro report`"):
        load_rows(tmp_path / "leaderboard.json")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("verdict",), ["broken"], r"\$\[0\]\.verdict: \['broken'\]"),
        (("metrics", "METRIC", "value"), 7.0, "lies outside its interval"),
        (("metrics", "METRIC", "high"), float("nan"), "is not finite"),
        (("cost", "train_seconds"), "long", r"\$\[0\]\.cost\.train_seconds: 'long'"),
    ],
)
def test_a_wrong_value_in_a_leaderboard_is_named(
    made: Bench, tmp_path: Path, place: tuple[str, ...], value: object, said: str
) -> None:
    rows = made.rows()[:1]
    node = rows[0]
    for key in place[:-1]:
        node = node[next(iter(node)) if key == "METRIC" else key]
    node[place[-1]] = value
    (tmp_path / "leaderboard.json").write_text(json.dumps(rows), "utf8")
    with pytest.raises(UserError, match=said):
        load_rows(tmp_path / "leaderboard.json")


def test_an_unknown_experiment_is_named(made: Bench) -> None:
    with pytest.raises(UserError, match="no resolved experiment nothing; there are: aes_ctr"):
        Bench(made.root, ["nothing"]).rows()


def test_two_metrics_of_one_name(made: Bench, tmp_path: Path) -> None:
    same = {"same": Findings("Same", {"x": Metric.exact(1)})}
    put(tmp_path, "twice", {"evaluate": same, "attack": same})
    with pytest.raises(UserError, match=r"two metrics are called same\.x"):
        Bench(tmp_path, ["twice"]).rows()


def printed(rows: list[dict[str, Any]], width: int, colour: bool = False) -> str:
    written = io.StringIO()
    print_table(
        rows, Console(width=width, file=written, force_terminal=colour, color_system="standard" if colour else None)
    )
    return written.getvalue()


def test_table_fits_eighty_columns(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(made.rows())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(sum(line.startswith(f"{name} ") for line in lines) == 1 for name in made.names)
    line = next(line for line in lines if line.startswith("aes_ctr"))
    for word in ("inconclusive", "fresh eve", "0.00", "9/10", "100.00%"):
        assert word in line
    assert "[−0.01, 0.01]" in lines[lines.index(line) + 1]
    assert "not attacked" in next(line for line in lines if line.startswith("cipher_joint"))


def test_table_names_the_control_that_failed(made: Bench) -> None:
    rows = made.rows()
    text = " ".join(printed([row for row in rows if row["name"] == "aes_ctr"], 80).split())
    expected = "failed: it must be broken, but the gain may be as low as 0.39"
    assert f"aes_ctr, fresh eve: the positive control, plain substitution, {expected}" in text
    assert "Controls that failed, which the page explains: aes_ctr 1." in " ".join(printed(rows, 80).split())


@pytest.mark.parametrize("width", range(64, 101))
def test_table_cuts_nothing_off(made: Bench, width: int) -> None:
    """Rich narrows columns of unbroken text to their longest word unless they have a least width."""
    lines = printed(made.rows(), width).splitlines()
    rule = next(at for at, line in enumerate(lines) if line.startswith("──"))
    labels = ["Experiment", "Verdict", "Strongest", "attack", "Its", "gain", "Con-", "trols"]
    labels += [word for spec in family_named("ciphers").columns for word in spec.label.split()]
    assert set(" ".join(lines[:rule]).split()) <= set(labels)
    shares = [word for line in lines[rule:] for word in line.split() if "%" in word]
    assert set(shares) <= {f"{row['metrics'][ROUND_TRIP]['value']:.2%}" for row in made.rows()}
    assert not any("…" in line for line in lines[rule:] if line.startswith("aes"))


def test_long_names_are_shortened_in_the_middle_and_stay_whole_below(made: Bench) -> None:
    rows = made.rows()[:3]
    for row, seed in zip(rows, (0, 1, 10), strict=True):
        row["name"] = f"hashmap model.epochs=3 attack.template_linkage.pairs=500 seed={seed} data=prints_small"
    for width in (60, 80, 100):
        text = printed(rows, width)
        assert max(map(len, text.splitlines())) <= width
        assert " ".join(text.split()).count("is hashmap model.epochs=3 attack.template_linkage.pairs=500 seed=") == 3
        in_rows = [line[:20] for line in text.splitlines() if "…" in line[:20] and " is " not in line]
        assert ["#2" in name for name in in_rows] == [False, True, False]
        assert ["#3" in name for name in in_rows] == [False, False, True]


def test_table_has_verdicts_in_colour(made: Bench) -> None:
    text = printed(made.rows(), 80, colour=True)
    assert "\x1b[1;31mbroken" in text
    assert "\x1b[34mholds at" in text


def test_table_in_a_narrow_terminal(made: Bench) -> None:
    assert max(map(len, printed(made.rows(), 60).splitlines())) <= 60
