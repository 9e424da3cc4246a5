from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_line import run
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.mail.data.vocabulary import Vocabulary
from veilbench.families.mail.schemes.filter import MailFilter

WORDS = Vocabulary(["hello", "win", "money"])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    weights = {
        "embedding.weight": np.array([0, 0, -1, 2, 3], np.float32)[:, None],
        "bias.weight": np.zeros((1, 1), np.float32),
    }
    (tmp_path / "model").mkdir()
    MailFilter(weights, WORDS, 100).save(tmp_path / "model")
    return tmp_path / "model"


def test_mails_and_texts_are_scored_in_order(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    eml, html, text = tmp_path / "a.eml", tmp_path / "b.mail", tmp_path / "c.txt"
    eml.write_text("From: win@money.example\nSubject: hello\n\nhello there\n")  # senders do not count
    html.write_text("Subject: win\nContent-Type: text/html\n\n<p>money<script>hello hello</script></p>")
    text.write_bytes("hello, win é".encode("latin1"))
    assert run("mail", "score", model, eml, html, text) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [path for _, path in lines] == [str(eml), str(html), str(text)]
    expected = [1 / (1 + np.exp(-logit)) for logit in (-2, 5, 1)]
    assert [float(p) for p, _ in lines] == pytest.approx(expected, abs=1e-6)


def test_a_file_in_utf16_is_scored_as_in_utf8(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mail = "Subject: hello\nContent-Type: text/plain; charset=iso-8859-1\n\nwin money\n"
    scores = []
    for codec in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a.mail").write_bytes(mail.encode(codec))
        assert run("mail", "score", model, tmp_path / "a.mail") == 0
        scores.append(capsys.readouterr().out)
    assert scores[0] == scores[1] == scores[2]


def failing(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run("mail", "score", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_what_cannot_be_scored_is_one_line(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, empty = tmp_path / "a.txt", tmp_path / "empty.eml"
    good.write_text("hello")
    empty.write_text("Subject: \n\n\n")
    assert "cannot read" in failing(capsys, model, good, tmp_path / "absent.eml")
    assert "cannot read" in failing(capsys, model, tmp_path)
    assert f"{empty} has no words" in failing(capsys, model, good, empty)
    assert "holds no trained model" in failing(capsys, tmp_path / "nothing", good)
    (tmp_path / "a.msg").write_bytes(b"\xd0\xcf\x11\xe0hello")
    assert "a.msg is .msg, which is no text; save the mail as .eml" in failing(capsys, model, tmp_path / "a.msg")
    (tmp_path / "other").mkdir()
    Plaintext().save(tmp_path / "other")
    assert "holds a Plaintext, which scores no mails" in failing(capsys, tmp_path / "other", good)
