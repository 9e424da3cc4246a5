"""The pages of the site that are made from the repository, compared with what composing and the classes say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from attack_pages import (
    EVIDENCE,
    EVIDENCE_ROWS,
    GRANTED_BY_DEFAULT,
    describe_attacks,
    describe_threats,
    granted,
    merged,
    names,
)
from experiment_pages import describe_experiments, family_of, read_experiment
from pages import MADE, copy_from_root, drop_links_out
from repository import CONF, read_comment, read_yaml
from result_pages import describe_results
from veilbench.bench.report.published import Published, load_published
from veilbench.bench.threat import ThreatModel
from veilbench.workflow.conf import choices

ROOT = Path(__file__).parents[1]
RESOLVED = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "params").glob("*.yaml")}
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf8"))


@pytest.mark.parametrize("name", sorted(RESOLVED))
def test_an_experiment_is_described_as_it_is_composed(name: str) -> None:
    found, resolved = read_experiment(name), RESOLVED[name]
    assert found.chosen["model"] == resolved["names"]["model"]
    assert found.chosen["data"] == resolved["names"]["data"]
    assert found.listed.get("attack", []) == list(resolved["attack"])
    assert family_of(name) == resolved["data"]["_target_"].split(".")[2]


@pytest.mark.parametrize("name", sorted(RESOLVED))
def test_a_threat_model_is_described_as_it_is_composed(name: str) -> None:
    own = yaml.safe_load((ROOT / "conf" / "experiment" / f"{name}.yaml").read_text("utf8")).get("attack", {})
    for attack, settings in RESOLVED[name]["attack"].items():
        if "threat" in own.get(attack, {}):
            continue  # the experiment grants something else
        given = {key: value for key, value in settings["threat"].items() if key != "_target_"}
        assert granted(attack) == ThreatModel(**given).granted()


def test_the_flags_that_are_granted_by_default() -> None:
    assert list(GRANTED_BY_DEFAULT) == ThreatModel().granted()
    assert all(f"| `{flag}` |" in describe_threats() for flag in ThreatModel.__dataclass_fields__)


def test_every_attack_and_experiment_is_on_its_page() -> None:
    attacks, experiments = describe_attacks(), describe_experiments()
    assert set(names()) == set(choices("attack"))
    assert all(f'<a id="{name}"></a>' in attacks for name in choices("attack"))
    assert all(f"| `{name}`" in experiments for name in choices("experiment"))
    assert "| `pca` • | Principal components" in experiments


def test_every_attack_says_where_it_is_from_and_what_it_costs() -> None:
    evidence = yaml.safe_load(EVIDENCE.read_text("utf8"))
    own = {name for name in names() if "_target_" in read_yaml(CONF / "attack" / f"{name}.yaml")}
    first = {merged(name)["_target_"]: name for name in sorted(own, reverse=True)}
    assert set(evidence) == set(first.values())
    assert all({"reference", "budget"} <= set(found) <= set(EVIDENCE_ROWS) for found in evidence.values())
    assert all(("ours" in found) == ("command" in found) for found in evidence.values())


def test_the_growth_of_an_attack_is_that_of_the_published_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = {"setting": "training steps", "budgets": [500.0, 2000.0], "gains": [0.25, 0.5]}
    attacks = {"fresh_eve": {"budget": curve}, "key_search": {"budget": None}, "affine": {}}
    rows = [{"name": "cipher_keyed", "attacks": attacks}]
    monkeypatch.setattr("attack_pages.load_published", lambda path: Published(rows))
    line = "| `cipher_keyed` | `fresh_eve` | training steps | 500: 0.25; 2,000: 0.50 |"
    assert describe_attacks().count(line) == describe_attacks().count("Growth with the budget:") == 1


@pytest.mark.parametrize("name", choices("experiment"))
def test_an_experiment_says_what_it_is(name: str) -> None:
    assert len(read_comment(ROOT / "conf" / "experiment" / f"{name}.yaml").split()) > 3


def test_the_results_are_those_of_the_file() -> None:
    page, found = describe_results(), load_published(ROOT / "docs" / "results.json")
    assert found.commit[:12] in page
    for row in found.rows:
        assert f"### {row['name']}, seed {row['seed']}" in page
        assert all(command in page for command in row["reproduce"])
        assert page.count(f"#row-{row['digest']}") == 2, "a link in the leaderboard, and its place"


def test_links_of_the_root_lead_into_the_site() -> None:
    text = copy_from_root("README.md")
    assert "docs/verdicts.md" not in text
    assert "(verdicts.md)" in text
    assert drop_links_out("[one](../examples/a.py) [two](trust.md) [three](CITATION.cff) [four](#here)") == (
        "one [two](trust.md) three [four](#here)"
    )
    assert drop_links_out("[up](../extend.md)") == "[up](../extend.md)"


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/]+\.md", yaml.safe_dump(SITE["nav"])))
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert listed == written | set(MADE)
    assert not written & set(MADE), "a page that is made would replace one that is written"


def test_the_site_fetches_nothing_from_elsewhere() -> None:
    assert SITE["theme"]["font"] is False
    assert "offline" not in SITE["plugins"], "its pages load a script from unpkg.com"
    assert not {"extra_javascript", "repo_url"} & set(SITE)
