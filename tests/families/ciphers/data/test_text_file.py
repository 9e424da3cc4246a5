"""A text file of one's own: its paragraphs are split, each into one part, and what is lost is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.data.text_file import TextFileData
from veilbench.text.alphabet import decode

PARAGRAPHS = [f"Paragraph number {n} says something,\nover {n} lines." for n in range(60)]


def made(content: str | bytes, folder: Path) -> TextFileData:
    raw = content.encode() if isinstance(content, str) else content
    (folder / "text.txt").write_bytes(raw)
    return TextFileData(str(folder / "text.txt"), seed=3)


@pytest.mark.parametrize("separator", ["\n\n", "\r\n\r\n"])
def test_every_paragraph_is_in_one_part(separator: str, tmp_path: Path) -> None:
    data = made(separator.join(PARAGRAPHS + PARAGRAPHS[:5]), tmp_path)
    (tmp_path / "prepared").mkdir()
    data.prepare(tmp_path / "prepared")
    texts = data.load(tmp_path / "prepared")
    parts = [decode(part) for part in (texts.statistics, texts.target, texts.unseen)]
    for n in range(60):
        assert sum(part.count(f"number {n} says something, over {n} lines.") for part in parts) == 1
    assert [round(len(part) / sum(map(len, parts)), 1) for part in parts] == pytest.approx([0.3, 0.5, 0.2], abs=0.1)
    assert texts.notes == []


def test_what_is_outside_the_alphabet_is_counted(tmp_path: Path) -> None:
    data = made("\n".join(f"zehn grüne Bälle {n}" for n in range(30)), tmp_path)
    (tmp_path / "prepared").mkdir()
    data.prepare(tmp_path / "prepared")
    (note,) = data.load(tmp_path / "prepared").notes
    lost = 2 * 30 / sum(len(f"zehngrüneBälle{n}") for n in range(30))
    assert note == f"{lost:.1%} of the characters are outside the alphabet and were dropped"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("one\n\ntwo", "has 2 different paragraphs; at least 20 are needed"),
        ("", "has 0 different paragraphs"),
        ("слово " * 50, "100% of its characters are outside the alphabet"),
        (b"\xff\xfe\x00", "is not UTF-8: byte 0 cannot be read"),
    ],
)
def test_what_cannot_be_used_is_one_line(content: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        made(content, tmp_path).prepare(tmp_path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.path=none\.txt: there is no such file"):
        TextFileData("none.txt").prepare(tmp_path)
