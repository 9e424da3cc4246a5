from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from veilbench.bench.errors import UserError, one_line_errors
from veilbench.bench.masking import mask_secrets

SECRET = "s3cr%40t/p@ss:w"

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://name:word@host:5000/a is down", "http://name:***@host:5000/a is down"),
        (f"'postgresql+psycopg2://name:{SECRET}@host/db'", "'postgresql+psycopg2://name:***@host/db'"),
        ("https://token@host", "https://***@host"),
        ("https://:word@host", "https://:***@host"),
        ("https://host/a?token=abc&page=2", "https://host/a?token=***&page=2"),
        ("url: /?api_key=abc/api/2.0/mlflow (Caused by", "url: /?api_key=*** (Caused by"),
        ("connection failed: password=abc host=h", "connection failed: password=*** host=h"),
        ("http://a:b@h, then http://c:d@i", "http://a:***@h, then http://c:***@i"),
        ("http://127.0.0.1:9 and a@b", "http://127.0.0.1:9 and a@b"),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
        ("model.tokens=5 is not allowed", "model.tokens=5 is not allowed"),
    ],
)
def test_what_is_hidden_and_what_is_not(text: str, shown: str) -> None:
    assert mask_secrets(text) == shown


def test_parts_of_a_known_address_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:p%40ss-word@host?q=longsecret&ssl=true&n=7")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "ab")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-en-1")
    text = "p@ss-word p%40ss-word /api?q=longsecret true 7 ab absent Basic bWU6YWI= tok-en-1 other"
    shown = "*** *** /api?q=*** true 7 *** absent Basic *** *** other"
    assert mask_secrets(text) == shown
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert mask_secrets("of other-secret", "http://n:other-secret@h") == "of ***"


def test_an_error_is_shown_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise UserError("tracking.uri=http://name:word@host\nis wrong")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: tracking.uri=http://name:***@host is wrong\n"


def test_nor_is_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VEILBENCH_TRACEBACK", "1")

    def fail() -> None:
        try:
            raise OSError("cause http://name:word@host")
        except OSError as error:
            raise UserError("no http://name:word@host") from error

    with pytest.raises(SystemExit), one_line_errors():
        fail()
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "OSError: cause http://name:***@host" in said
    assert said.endswith("error: no http://name:***@host\n")
    assert "word" not in said


@pytest.mark.parametrize("override", ["tracking.uri=http://name:pa55word@host", "+tracking.url='http://n:pa55word@h'"])
@pytest.mark.parametrize("more", [[], ["-m"]])
def test_a_sweep_refuses_a_password_before_anything_is_written(
    tmp_path_factory: pytest.TempPathFactory, override: str, more: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("sweep")
    done = subprocess.run(
        [sys.executable, str(ROOT / "pipelines" / "sweep.py"), *more, "experiment=plaintext", override],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "holds a password" in line
    assert "MLFLOW_TRACKING_URI" in line
    assert "pa55word" not in done.stderr + done.stdout
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("sun", "*** sunday xsun"), ("sunny", "*** sunnyday xsunny"), ("sunday", "*** ***day x***")],
)
def test_a_short_secret_is_hidden_only_where_it_stands_alone(secret: str, shown: str) -> None:
    assert mask_secrets(f"{secret} {secret}day x{secret}", f"http://name:{secret}@host") == shown


@pytest.mark.parametrize(("value", "hidden"), [("abc", False), ("abcd", True), ("true", False), ("prefer", False)])
def test_values_of_a_query_are_secrets_from_four_letters_on(value: str, hidden: bool) -> None:
    assert mask_secrets(f"got {value}", f"http://host?q={value}") == ("got ***" if hidden else f"got {value}")
    assert mask_secrets(f"got {value}", f"http://host?{value}") == ("got ***" if hidden else f"got {value}")
