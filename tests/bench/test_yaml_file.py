"""Damaged YAML gives a one-line error with file and line; valid YAML is read as by PyYAML's safe loader."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.yaml_file import read_mapping, read_yaml

BOMB = b"a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 9)) for i in range(9)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\n\tb: 2\n", "line 2, column 1: while scanning a plain scalar found a tab character"),
        (b"a: [1, 2\nb: 3\n", "line 2"),
        (b'a: "x\n', "while scanning a quoted scalar"),
        (b"a: 1\nb: 2\na: 3\n", "line 3, column 1: the key a stands twice"),
        (b"x: {a: 1, a: 2}\n", "the key a stands twice"),
        (b"a: 1\nb: \xe4\n", "line 2: the byte 0xe4 is not UTF-8"),
        (b"a: *x\n", "line 1, column 4: found undefined alias"),
        (b"a: &a [*a]\n", "line 1: this node contains itself"),
        (b"a: &a {b: *a}\n", "line 1: this node contains itself"),
        (BOMB, "its aliases grow to over"),
        (b"[" * 5000 + b"]" * 5000, "nested more than 100 deep"),
        (b"a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        (b"a: 1\n---\nb: 2\n", "expected a single document"),
        (b"? [a]\n: 1\n", "unhashable key"),
        (b"a: \x00\n", "control characters are not allowed"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        read_yaml(path)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "a: &a {x: 1}\nb: {<<: *a, y: 2}\n", "- 1\n- [2.5, true, null, text]\n"])
def test_sound_yaml_is_what_the_safe_loader_reads(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(text)
    assert read_yaml(path) == yaml.safe_load(text)


def test_a_mapping_is_asked_for_by_name(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    for text in ("", "- 1\n", "3\n", "1: a\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="where keys with values are expected"):
            read_mapping(path)
    with pytest.raises(UserError, match="cannot read"):
        read_mapping(tmp_path / "none.yaml")
