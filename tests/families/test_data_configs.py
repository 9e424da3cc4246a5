"""The files of conf/data: they say everything, touch no file until asked, and give the rows that are documented."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from veilbench.bench.defaults import fill
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build, check
from veilbench.families.autoencoders.data.rows import PARTS, Rows, RowsData

ROOT = Path(__file__).parents[2]
ALL = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "conf" / "data").glob("*.yaml"))}
OF_ROWS = {
    name: fill(node)
    for name, node in ALL.items()
    if str(node.get("_target_")).endswith((".RowsData", ".PhotographsData"))
}
WITHOUT_FILES = {
    "digits": (1797, (1, 8, 8)),
    "digits_one": (1797, (1, 8, 8)),
    "breast_cancer": (569, (30,)),
    "wine": (178, (13,)),
    "patches": (520, (3, 32, 32)),
    "fault_signals": (4000, (128,)),
    "card_transactions": (20000, (18,)),
    "ratings": (2000, (60,)),
}
FROM_NETWORK = ("openml", "olivetti_faces")
TEMPLATES = sorted(OF_ROWS.keys() - WITHOUT_FILES.keys() - set(FROM_NETWORK))


@pytest.mark.parametrize("name", OF_ROWS)
def test_it_is_built_without_touching_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check(OF_ROWS[name], "data")
    assert isinstance(build(OF_ROWS[name]), RowsData)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_without_its_file_is_one_clear_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data/.*: there is no such (file|folder); put it there, or name another"):
        build(OF_ROWS[name]).prepare(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    made = {}
    for name in WITHOUT_FILES:
        folder = tmp_path_factory.mktemp(name)
        data = build(OF_ROWS[name])
        data.prepare(folder)
        made[name] = data.load(folder)
    return made


@pytest.mark.parametrize("name", WITHOUT_FILES)
def test_the_rows_are_those_that_the_documentation_states(name: str, prepared: dict[str, Rows]) -> None:
    rows, (n, shape) = prepared[name], WITHOUT_FILES[name]
    dropped = int(next((note.split()[0] for note in rows.notes if "repeated rows dropped" in note), "0"))
    assert sum(len(getattr(rows, part)) for part in PARTS) == n - dropped
    assert rows.shape == shape
    assert f"| {n:,} " in next(
        line for line in (ROOT / "docs" / "data.md").read_text().splitlines() if f"`{name}`" in line
    )


@pytest.mark.parametrize("name", WITHOUT_FILES)
def test_one_class_sets_are_those_with_a_normal_label(name: str, prepared: dict[str, Rows]) -> None:
    rows = prepared[name]
    assert rows.one_class == bool(OF_ROWS[name]["normal"])
    if rows.one_class:
        assert rows.labels == ["normal", "anomaly"]
        assert not any(getattr(rows, part).y.any() for part in PARTS[:3])
        assert 0 < rows.test.y.mean() < 1
    else:
        assert all(set(getattr(rows, part).y.tolist()) == set(range(len(rows.labels))) for part in PARTS)


def test_every_template_is_documented() -> None:
    text = (ROOT / "docs" / "data.md").read_text()
    assert [name for name in OF_ROWS if f"`{name}`" not in text] == []
