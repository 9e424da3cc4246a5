"""Digests of sources: which changes alter a digest, and which do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from veilbench.bench import sources
from veilbench.bench.homes import forget_homes

FILES = {
    "toy/__init__.py": "",
    "toy/entry.py": "import toy.direct\n",
    "toy/direct.py": "def late():\n    from toy.deep import nested\n    return nested\n",
    "toy/deep/__init__.py": "",
    "toy/deep/nested.py": "from toy import leaf\nVALUE = 1\n",
    "toy/leaf.py": "VALUE = 2\n",
    "toy/unrelated.py": "VALUE = 3\n",
    "toy/model.py": "class Model:\n    width = 4\n",
    "toy/cycle.py": "import toy.entry\nimport toy.cycle\nimport os.path\nimport elsewhere\n",
}

Digest = Callable[[], str]
CONFIG = {"model": {"_target_": "toy.model.Model", "size": 3}, "attack": [{"_target_": "os.path.join"}]}


def clear_caches() -> None:
    forget_homes()
    sources.find_imports.cache_clear()
    sources._parsed.cache_clear()
    sources._code.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    clear_caches()
    yield tmp_path / "toy"
    clear_caches()


@pytest.fixture
def digest(package: Path) -> Digest:
    def fresh() -> str:
        clear_caches()
        return sources.digest(package / "entry.py", CONFIG)

    return fresh


def test_a_digest_is_sixteen_hexadecimal_digits(digest: Digest) -> None:
    assert len(digest()) == 16
    assert set(digest()) <= set("0123456789abcdef")
    assert digest() == digest()


@pytest.mark.parametrize("name", ["entry", "direct", "deep/nested", "leaf", "model"])
def test_code_in_every_reached_file_changes_the_digest(package: Path, digest: Digest, name: str) -> None:
    before = digest()
    path = package / f"{name}.py"
    path.write_text(path.read_text() + "MORE = 5\n")
    assert digest() != before


@pytest.mark.parametrize("name", ["entry", "direct", "deep/nested", "leaf", "model"])
def test_comments_and_formatting_do_not_change_it(package: Path, digest: Digest, name: str) -> None:
    before = digest()
    path = package / f"{name}.py"
    path.write_text("# a comment\n\n\n" + path.read_text().replace(" = ", "   =  ") + "\n# the end\n")
    assert digest() == before


def test_a_changed_constant_changes_it(package: Path, digest: Digest) -> None:
    before = digest()
    (package / "leaf.py").write_text("VALUE = 22\n")
    assert digest() != before


@pytest.mark.parametrize("name", ["unrelated", "cycle"])
def test_a_file_that_is_not_reached_does_not_change_it(package: Path, digest: Digest, name: str) -> None:
    before = digest()
    (package / f"{name}.py").write_text("raise SystemExit\n")
    assert digest() == before


def test_the_same_code_under_another_name_changes_it(package: Path, digest: Digest) -> None:
    before = digest()
    (package / "leaf.py").rename(package / "renamed.py")
    nested = package / "deep/nested.py"
    nested.write_text(nested.read_text().replace("leaf", "renamed"))
    assert digest() != before


def test_the_same_code_as_another_target_changes_it(package: Path) -> None:
    """The digest depends on a file's name, even if the order of the files stays the same."""
    (package / "modest.py").write_text((package / "model.py").read_text())
    one, other = (
        sources.digest(package / "entry.py", {"_target_": f"toy.{name}.Model"}) for name in ("model", "modest")
    )
    assert one != other


def test_a_file_in_another_folder_of_the_package_changes_it(package: Path, digest: Digest) -> None:
    before = digest()
    (package / "shallow").mkdir()
    (package / "deep/nested.py").rename(package / "shallow/nested.py")
    (package / "direct.py").write_text((package / "direct.py").read_text().replace("toy.deep", "toy.shallow"))
    moved = digest()
    (package / "direct.py").write_text((package / "direct.py").read_text().replace("toy.shallow", "toy.deep"))
    (package / "shallow/nested.py").rename(package / "deep/nested.py")
    assert digest() == before != moved


PRINTED = """
from pathlib import Path
from veilbench.bench import stages
from veilbench.bench.sources import digest
names = ("data.text.TextData", "baselines.aes_ctr.AesCtr")
print(digest(Path(stages.__file__), [{"_target_": f"veilbench.families.ciphers.{name}"} for name in names]))
"""


@pytest.mark.parametrize("folder", ["a", "z", "veilbench"])
def test_it_does_not_matter_where_the_code_lies(tmp_path: Path, folder: str) -> None:
    package = tmp_path / folder / "veilbench"
    shutil.copytree(sources.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))

    def printed(source: Path) -> str:
        environment = os.environ | {"PYTHONPATH": str(source)}
        command = [sys.executable, "-c", PRINTED]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert printed(package.parent) == printed(sources.PACKAGE.parent)


def test_a_target_adds_its_file(package: Path) -> None:
    alone = sources.digest(package / "entry.py", {})
    assert sources.digest(package / "entry.py", CONFIG) != alone
    assert sources.digest(package / "entry.py", {"x": [{"_target_": "elsewhere.Thing"}]}) == alone


def test_parameters_do_not_enter_a_digest(package: Path) -> None:
    one, other = ({"_target_": "toy.model.Model", "size": size} for size in (1, 2))
    assert sources.digest(package / "entry.py", one) == sources.digest(package / "entry.py", other)


def test_imports_are_followed_over_any_number_of_steps(package: Path) -> None:
    names = {str(path.relative_to(package)) for path in sources.find_reached([package / "entry.py"])}
    assert {"entry.py", "direct.py", "deep/nested.py", "leaf.py"} <= names
    assert not {"unrelated.py", "model.py", "cycle.py"} & names


def test_circles_and_strangers_do_no_harm(package: Path) -> None:
    direct = sources.find_imports(package / "cycle.py")
    assert {path.name for path in direct} == {"__init__.py", "entry.py", "cycle.py"}  # an import runs its package, too
    assert package / "leaf.py" in sources.find_reached([package / "cycle.py"])


def test_nothing_is_executed(package: Path, digest: Digest) -> None:
    (package / "leaf.py").write_text("raise SystemExit\n")
    digest()


def test_a_module_is_a_file_or_a_folder(package: Path) -> None:
    assert sources.module_file("toy.leaf") == package / "leaf.py"
    assert sources.module_file("toy.deep") == package / "deep/__init__.py"
    assert sources.module_file("toy.none") is None
    assert sources.module_file("toyish.leaf") is None
    assert sources.module_file("os.path") is None


def test_targets_are_found_at_any_depth() -> None:
    node = {"_target_": "a.B", "x": [{"y": {"_target_": "c.D"}}, 3, "_target_"], "z": {"_target_": 5}}
    assert list(sources.find_targets(node)) == ["a.B", "c.D"]


def test_the_package_itself_has_no_relative_imports_which_are_not_followed() -> None:
    assert not [p for p in sources.PACKAGE.rglob("*.py") if "\nfrom ." in p.read_text(encoding="utf8")]
