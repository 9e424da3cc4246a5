from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from command_line import run
from veilbench.cli import GROUPS, MOVED
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.aes_gcm import AesGcm
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.files import container, file_tools
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, draw_mapping
from veilbench.version import __version__

RUN = "from veilbench.cli import main; main()"


def books(*bits: int, seed: int = 0) -> CodebookCipher:
    rng = np.random.default_rng(seed)
    return CodebookCipher.from_mappings([draw_mapping(b, rng) for b in bits])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("models"), np.random.default_rng(5)
    good = books(32)
    inexact = CodebookCipher(good.codes, good.bits, np.zeros_like(good.decoded))
    for name, model in {
        "small": good,
        "other": books(32, seed=1),
        "mixed": books(32, 40, 48, 56),
        "inexact": inexact,
        "aes_ctr": AesCtr().with_fresh_key(rng),
        "aes_gcm": AesGcm().with_fresh_key(rng),
        "one_time_pad": OneTimePad().with_fresh_key(rng),
        "plaintext": Plaintext(),
    }.items():
        (root / name).mkdir()
        model.save(root / name)
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "in.txt"
    file.write_bytes(b"The quick brown fox jumps over the lazy dog.")
    return file


def failing(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    """The one line that a command ends on; it must leave the folder as it was."""
    before = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    assert {file: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before
    return captured.err


@pytest.mark.parametrize("model", ["small", "mixed", "aes_ctr", "aes_gcm"])
def test_round_trip(model: str, models: Path, source: Path, tmp_path: Path) -> None:
    sealed, back = tmp_path / "sealed", tmp_path / "back"
    back.write_text("to be replaced")
    back.chmod(0o600)
    assert run("cipher", "encrypt", models / model, source, sealed) == 0
    assert run("cipher", "decrypt", models / model, sealed, back) == 0
    assert back.read_bytes() == source.read_bytes()
    assert back.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["back", "in.txt", "sealed"]


def test_escape_keeps_every_byte_and_needs_no_flag_back(models: Path, source: Path, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2 + "line\r\nné {|}~ €\U0001f600\n".encode() + os.urandom(5000)
    source.write_bytes(data)
    sealed, back = tmp_path / "sealed", tmp_path / "back"
    assert run("cipher", "encrypt", "--escape", models / "mixed", source, sealed) == 0
    assert run("cipher", "decrypt", models / "mixed", sealed, back) == 0
    assert back.read_bytes() == data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"abc\ndef", r"character '\n' at index 3 (line 1, column 4)"),
        (b"{", "character '{' at index 0 (line 1, column 1)"),
        ("naïve".encode(), "character 'ï' at index 2 (line 1, column 3)"),
        ("x\U0001f600".encode(), "character '\U0001f600' at index 1"),
        (b"ab\xff", "byte 0xff at index 2 (line 1, column 3) is not valid UTF-8"),
        (b"ab\xe2\x82", "byte 0xe2 at index 2 (line 1, column 3) is not valid UTF-8"),
        (b"a" * 63 + "€".encode(), "character '€' at index 63 (line 1, column 64)"),
        (b"a" * 130 + b"\n", r"character '\n' at index 130 (line 1, column 131)"),
    ],
)
def test_characters_outside_are_named(
    data: bytes,
    said: str,
    models: Path,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(container, "READ_BYTES", 64)
    source.write_bytes(data)
    error = failing(capsys, tmp_path, "cipher", "encrypt", models / "small", source, tmp_path / "out")
    assert said in error
    assert "--escape" in error


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("one_time_pad", "fresh key as long as the file"),
        ("plaintext", "plaintext encrypts nothing"),
        ("inexact", "gets 90 of 91 characters wrong, the first is '!' read as ' '"),
        ("absent", "holds no trained model"),
    ],
)
def test_models_that_take_no_files(
    model: str, said: str, models: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for way in ("encrypt", "decrypt"):
        assert said in failing(capsys, tmp_path, "cipher", way, models / model, source, tmp_path / "out")


def test_containers_that_do_not_fit(
    models: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed, out, small = tmp_path / "sealed", tmp_path / "out", models / "small"
    assert run("cipher", "encrypt", small, source, sealed) == 0
    good = sealed.read_bytes()
    out.write_bytes(b"precious")
    assert "another model" in failing(capsys, tmp_path, "cipher", "decrypt", models / "other", sealed, out)
    assert "not made by" in failing(capsys, tmp_path, "cipher", "decrypt", small, source, out)
    sealed.write_bytes(good[:-1])
    assert "cut short" in failing(capsys, tmp_path, "cipher", "decrypt", small, sealed, out)
    sealed.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert "changed" in failing(capsys, tmp_path, "cipher", "decrypt", small, sealed, out)
    sealed.write_bytes(good + b"!")
    assert "changed" in failing(capsys, tmp_path, "cipher", "decrypt", small, sealed, out)


def test_paths_that_do_not_work(models: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = models / "small"
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(source)
    os.link(source, tmp_path / "hard")
    out = tmp_path / "out"
    for same in (source, tmp_path / "link", tmp_path / "hard", tmp_path / "folder" / ".." / "in.txt"):
        assert "is the input itself" in failing(capsys, tmp_path, "cipher", "encrypt", small, source, same)
    for absent, said in ((tmp_path / "no", "No such file"), (tmp_path / "folder", "directory")):
        error = failing(capsys, tmp_path, "cipher", "encrypt", small, absent, out)
        assert "cannot read" in error
        assert said in error
    assert "does not exist" in failing(capsys, tmp_path, "cipher", "encrypt", small, source, tmp_path / "no" / "out")
    assert "not a regular file" in failing(capsys, tmp_path, "cipher", "encrypt", small, source, tmp_path / "folder")
    assert "not a regular file" in failing(capsys, tmp_path, "cipher", "encrypt", small, source, os.devnull)
    unwritable = tmp_path / "folder"
    unwritable.chmod(0o500)
    if os.geteuid():
        error = failing(capsys, tmp_path, "cipher", "encrypt", small, source, unwritable / "out")
        assert "Permission denied" in error
        source.chmod(0)
        assert "Permission denied" in failing(capsys, tmp_path, "cipher", "encrypt", small, source, out)


def test_a_target_that_cannot_be_looked_at_is_named_itself(
    models: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ("x" * 300)
    error = failing(capsys, tmp_path, "cipher", "encrypt", models / "small", source, out)
    assert error == f"error: cannot write {out}: File name too long\n"


def test_a_link_keeps_pointing_to_what_is_replaced(models: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    assert run("cipher", "encrypt", models / "small", source, tmp_path / "link") == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes().startswith(container.MAGIC)


def test_a_full_disk_leaves_the_target_alone(models: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"a" * 100_000)
    out.write_text("precious")
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); {RUN}"
    command = [sys.executable, "-c", limited, "cipher", "encrypt", str(models / "small"), str(source), str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"error: cannot write {out}: File too large\n"
    assert out.read_text() == "precious"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.slow
def test_an_interrupt_leaves_the_target_alone(models: Path, tmp_path: Path) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    os.mkfifo(pipe)
    out.write_text("precious")
    heeding = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {RUN}"
    process = subprocess.Popen(
        [sys.executable, "-c", heeding, "cipher", "encrypt", str(models / "small"), str(pipe), str(out)],
        stderr=subprocess.PIPE,
        text=True,
    )
    with pipe.open("wb") as feed:
        feed.write(b"a" * 2_000_000)
        feed.flush()
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(".veilbench-*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Traceback" not in error
    assert out.read_text() == "precious"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "pipe"]


def test_progress_is_shown_on_a_terminal_only(
    models: Path,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_tools, "PROGRESS_FROM", 1)
    monkeypatch.delenv("CI", raising=False)
    arguments = ("cipher", "encrypt", models / "small", source, tmp_path / "out")
    assert run(*arguments) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(*arguments) == 0
    assert "in.txt" in capsys.readouterr().err
    monkeypatch.setenv("CI", "true")
    assert run(*arguments) == 0
    assert capsys.readouterr().err == ""


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"veilbench {__version__}\n"
    for command in ("encrypt", "decrypt"):
        assert run("cipher", command, "--help") == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "not cryptography" in shown
        assert "letter-frequency" in shown
        assert "AES-GCM" in shown


def test_the_package_runs_as_the_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "veilbench", "cipher", "decrypt", "a", "b", "c"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "group"), MOVED.items())
def test_an_old_name_says_the_new_one(name: str, group: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("--help",), ("model", "file", "--key", "x")):
        assert run(name, *arguments) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", f"error: veilbench {name} is now veilbench {group} {name}\n")
    assert run(group, name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"Usage: veilbench {group} {name} ")


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands_and_the_old_names_are_hidden(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(group)
    captured = capsys.readouterr()
    commands = [command.name or command.callback.__name__ for command in GROUPS[group].registered_commands]
    assert all(f"  {name} " in captured.out + captured.err for name in commands)
    assert run("--help") == 0
    shown = [line.split()[0] for line in capsys.readouterr().out.partition("Commands:")[2].splitlines() if line]
    assert {group} <= set(shown)
    assert not set(MOVED) & set(shown)


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom veilbench.cli import main\ntry: main([sys.argv[1], '--help'])\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'torch', 'hydra', 'pandas'} & set(sys.modules), set(sys.modules)"
    )
    for name in ("sweep", "template", "autoencoder"):
        subprocess.run([sys.executable, "-c", code, name], check=True, capture_output=True)


def test_small_files_do_without_numba(models: Path, source: Path, tmp_path: Path) -> None:
    arguments = ["cipher", "encrypt", str(models / "small"), str(source), str(tmp_path / "out")]
    code = (
        f"import sys; from veilbench.cli import app; app({arguments!r}, standalone_mode=False); "
        "assert not {'numba', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
