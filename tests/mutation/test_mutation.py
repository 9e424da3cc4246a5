"""The mutants of small texts, the tests that belong to a file, and one run whose mutants are known."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz import guard

from .related import related
from .sampling import Mutant, drawn, mutants

ROOT = Path(__file__).parents[2]


def afters(source: str) -> set[tuple[str, str]]:
    return {(mutant.before, mutant.after) for mutant in mutants("file.py", source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {("a < b", "(a <= b)"), ("a < b", "(a >= b)")}),
        ("a is b", {("a is b", "(a is not b)")}),
        ("f(3)", {("3", "2"), ("3", "4")}),
        ("a + b", {("a + b", "(a - b)")}),
        ("a += b", {("a += b", "a -= b")}),
        ("a and not b", {("a and not b", "(a or not b)"), ("not b", "(b)")}),
        ("if a:\n    raise b", {("if a:\n    raise b", "pass")}),
        ("def f():\n    return True", {("return True", "return False")}),
        ("def f():\n    return a", {("return a", "return None")}),
        ("max(a)", {("max(a)", "min(a)")}),
        ("a.any(0)", {("a.any(0)", "a.all(0)"), ("0", "-1"), ("0", "1")}),
        ("f(a, b=-1)", {("f(a, b=-1)", "f(a)"), ("1", "0"), ("1", "2")}),
        ("'é'; a < b", {("a < b", "(a <= b)"), ("a < b", "(a >= b)")}),
    ],
)
def test_each_kind_of_change(source: str, expected: set[tuple[str, str]]) -> None:
    assert afters(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "'3 < 4'",
        "a: Annotated[int, Ge(1)] = b",
        "Count = Annotated[int, Ge(1)]",
        "Value = int | None",
        "def f(a: int | None = 3) -> int | str: b",
        "raise ValueError(f'{a + 1}', 3)",
        "a = f'{b + 1}'",
        "a = 'b' + c",
        "if TYPE_CHECKING:\n    a = 3",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    assert afters(source) == set()


@pytest.mark.slow
def test_every_mutant_of_a_folder_is_a_program_and_differs_from_the_file() -> None:
    for mutant in drawn(ROOT, ["metrics"], 10**6, 0):
        assert ast.dump(ast.parse(mutant.source)) != ast.dump(ast.parse((ROOT / mutant.path).read_text("utf8")))


def test_the_draw_is_the_same_for_the_same_seed_and_grows_at_its_end() -> None:
    few, many, others = (drawn(ROOT, ["metrics"], *sizes) for sizes in ((5, 0), (50, 0), (5, 1)))
    assert many[:5] == few != others
    assert len({mutant.source for mutant in many}) == 50


def test_the_tests_of_a_file_mirror_it_or_import_it_or_lie_near(tmp_path: Path) -> None:
    tests = {"bench/test_a.py": "", "bench/test_other.py": "from veilbench.bench import b", "nets/x/test_c.py": ""}
    for name, text in tests.items():
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).write_text(text)
    cases = {"bench/a.py": "bench/test_a.py", "bench/b.py": "bench/test_other.py", "nets/d.py": "nets/x/test_c.py"}
    for file, test in cases.items():
        assert related(tmp_path, f"src/veilbench/{file}") == [tmp_path / "tests" / test]


def test_a_mutant_knows_its_function_from_its_decorator_on() -> None:
    source = "a(0)\n@b(1)\ndef c():\n    return [d(2) for d in e]\n"
    functions = {mutant.before: mutant.function for mutant in mutants("file.py", source) if mutant.before.isdigit()}
    assert functions == {"0": 0, "1": 2, "2": 2}
    assert Mutant("f.py", 1, 0, "constant", "a\n  b", "c", "").name == "f.py:1: a b -> c"


@pytest.mark.slow
@pytest.mark.skipif(not guard.available(), reason="this kernel has no Landlock")
def test_three_mutants_of_a_file_whose_tests_are_thorough(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--folder", "metrics/ledoit_wolf.py", "--count", "3", "--seed", "2"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "| metrics/ledoit_wolf.py | 3 | 3 | 0 | 100.0% | 0 |" in done.stdout, f"{done.stdout}\n{done.stderr[-3000:]}"
    assert done.returncode == 0
    assert not list(tmp_path.glob("veilbench-mutation-*"))
