"""`veilbench template`: its commands, and every way in which their input is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from desk import PEOPLE, SIDE, Desk
from PIL import Image
from typer.testing import CliRunner

from command_line import run
from veilbench.cli import app
from veilbench.families.templates.store import store_file

Models = dict[str, Path]


def enrolled(at: Desk, model: Path, *options: object) -> None:
    for person in PEOPLE:
        assert run("template", "enroll", model, at.store, person, at.image(person), at.image(person, 1), *options) == 0


def contents(at: Desk) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in at.root.iterdir() if file.is_file() and file.suffix != ".lock"}


def failing(capsys: pytest.CaptureFixture[str], at: Desk, *arguments: object) -> str:
    """The one line that a command ends on, with exit code 2; every file must be as it was, but for locks."""
    before = contents(at)
    capsys.readouterr()
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    assert contents(at) == before
    return captured.err


def test_without_a_key(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model = models["pca"]
    enrolled(at, model)
    assert "alice: 2 templates added, 2 in all" in capsys.readouterr().out
    assert run("template", "verify", model, at.store, "alice", at.image("alice", 2)) == 0
    assert capsys.readouterr().out.startswith("match: 0.")
    assert run("template", "verify", model, at.store, "alice", at.image("bob", 2)) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("no match: ")
    assert "is below" in shown
    assert "FMR 0.01 of the evaluation" in shown
    assert run("template", "identify", model, at.store, at.image("carol", 2), at.image("dan", 2), "--top", 3) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[1:3] for line in lines[::3]] == [["1", "carol"], ["1", "dan"]]
    assert [line[1] for line in lines] == ["1", "2", "3"] * 2
    likeness = [float(line[3]) for line in lines[:3]]
    assert likeness == sorted(likeness, reverse=True)
    assert [line[4] for line in lines[:3]] == ["match", "no match", "no match"]
    assert len({line[2] for line in lines[:3]}) == 3, "a person is listed once, however many templates there are"


def test_the_runner_sees_the_same_exit_codes(at: Desk, models: Models) -> None:
    runner, model = CliRunner(), str(models["pca"])
    made = runner.invoke(app, ["template", "enroll", model, str(at.store), "alice", str(at.image("alice"))])
    assert (made.exit_code, "1 template added" in made.output) == (0, True)
    codes = [
        runner.invoke(app, ["template", "verify", model, str(at.store), "alice", str(at.image(person, 2))]).exit_code
        for person in ("alice", "bob")
    ]
    assert codes == [0, 1]
    identify = ["template", "identify", model, str(at.store), str(at.image("bob"))]
    assert runner.invoke(app, identify).exit_code == 1
    assert runner.invoke(app, [*identify, "--top", "0"]).exit_code == 2
    for command in ("verify", "identify"):
        assert "0 match, 1 no match, 2 bad input" in runner.invoke(app, ["template", command, "--help"]).output


@pytest.mark.parametrize("name", ["biohash", "iom"])
def test_with_a_key(name: str, at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model, key, wrong = models[name], at.key("desk"), at.key("wrong")
    enrolled(at, model, "--key", key)
    assert run("template", "verify", model, at.store, "bob", at.image("bob", 2), "--key", key) == 0
    assert run("template", "verify", model, at.store, "bob", at.image("carol", 2), "--key", key) == 1
    assert run("template", "identify", model, at.store, at.image("dan", 2), "--key", key) == 0
    assert "\t1\tdan\t" in capsys.readouterr().out
    verify = ("template", "verify", model, at.store, "bob", at.image("bob", 2))
    assert "needs the user's key" in failing(capsys, at, *verify)
    assert "enrolled under another key" in failing(capsys, at, *verify, "--key", wrong)
    assert "no template under this key" in failing(
        capsys, at, "template", "identify", model, at.store, at.image("bob", 2), "--key", wrong
    )
    assert at.store.stat().st_mode & 0o777 == 0o600


def test_no_image_and_no_key_is_in_a_store(at: Desk, models: Models) -> None:
    key = at.key("desk")
    enrolled(at, models["biohash"], "--key", key)
    raw, store = at.store.read_bytes(), store_file.read(at.store)
    assert key.read_text().split()[1].encode() not in raw
    assert store.templates.nbytes == len(store) * 4, "29 bits each are 4 bytes"
    pixels = np.asarray(Image.open(at.image("alice"))).astype(np.uint8)
    assert pixels.tobytes()[:16] not in raw
    assert len(raw) < 2500


def test_renewal(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model, old, new = models["biohash"], at.key("old"), at.key("new")
    enrolled(at, model, "--key", old)
    enroll = ("template", "enroll", model, at.store, "alice", at.image("alice"))
    assert "under this very key" in failing(capsys, at, *enroll, "--key", old, "--renew")
    assert run(*enroll, "--key", new, "--renew") == 0
    assert "1 template added, 2 templates of before revoked, 1 in all" in capsys.readouterr().out
    verify = ("template", "verify", model, at.store, "alice", at.image("alice", 2), "--key")
    assert run(*verify, new) == 0
    assert "alice was revoked under this key" in failing(capsys, at, *verify, old)
    assert "was revoked under this key" in failing(capsys, at, *enroll, "--key", old)
    assert run("template", "verify", model, at.store, "bob", at.image("bob", 2), "--key", old) == 0
    assert run("template", "identify", model, at.store, at.image("bob", 2), "--key", old) == 0
    assert "1 templates under other keys were not searched" in capsys.readouterr().err


def test_revocation(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model, key = models["biohash"], at.key("desk")
    enrolled(at, model, "--key", key)
    assert "eve is not enrolled" in failing(capsys, at, "template", "revoke", at.store, "alice", "eve")
    assert run("template", "revoke", at.store, "alice", "bob") == 0
    store = store_file.read(at.store)
    assert store.people == ("carol", "dan")
    assert run("template", "identify", model, at.store, at.image("dan", 2), "--key", key) == 0
    assert "\tdan\t" in capsys.readouterr().out
    enroll = ("template", "enroll", model, at.store, "alice", at.image("alice"), "--key")
    assert "was revoked under this key" in failing(capsys, at, *enroll, key)
    assert run(*enroll, at.key("new")) == 0
    assert run("template", "revoke", at.store, "alice", "bob", "--forget") == 0
    assert b"alice" not in at.store.read_bytes()
    assert run(*enroll, key) == 0


def test_what_has_no_key_cannot_be_renewed(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model = models["pca"]
    enrolled(at, model)
    capsys.readouterr()
    assert run("template", "revoke", at.store, "alice") == 0
    assert "still matches" in capsys.readouterr().err
    enroll = ("template", "enroll", model, at.store, "alice", at.image("alice"))
    assert "would match the old one" in failing(capsys, at, *enroll)
    assert "alice was revoked" in failing(capsys, at, "template", "verify", model, at.store, "alice", at.image("alice"))
    assert "leave --key out" in failing(capsys, at, *enroll, "--key", at.key("desk"))
    assert run("template", "revoke", at.store, "alice", "--forget") == 0
    assert run(*enroll) == 0


def test_duplicates(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model, copy = models["pca"], at.root / "copy.bmp"
    Image.open(at.image("alice")).save(copy)
    enroll = ("template", "enroll", model, at.store)
    assert run(*enroll, "alice", at.image("alice"), copy) == 0
    shown = capsys.readouterr().out
    assert f"{copy}: alice has this very template already" in shown
    assert "1 template added, 1 in all" in shown
    before = at.store.stat().st_mtime_ns
    assert run(*enroll, "alice", at.image("alice")) == 0
    assert "0 templates added, 1 in all" in capsys.readouterr().out
    assert at.store.stat().st_mtime_ns == before, "nothing new is nothing to write"
    assert "enrolled as alice; bob cannot" in failing(capsys, at, *enroll, "bob", at.image("bob"), copy)
    assert store_file.read(at.store).people == ("alice",)


@pytest.mark.parametrize("command", ["enroll", "verify", "identify"])
def test_images_that_do_not_work(command: str, at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model = models["pca"]
    enrolled(at, model)
    fits = Image.open(at.image("bob", 2))
    for name, image in {"large": fits.resize((SIDE + 2, SIDE)), "blank": Image.new("L", (SIDE, SIDE), 7)}.items():
        image.save(at.image(name))
    at.image("words").write_text("no image")
    at.image("cut").write_bytes(at.image("bob", 2).read_bytes()[:200])
    who = () if command == "identify" else ("bob",)
    for name, said in {
        "large": f"is {SIDE} x {SIDE + 2} pixels (height x width), the model takes {SIDE} x {SIDE}",
        "blank": "is blank",
        "words": "png cannot be read: ",
        "cut": "png cannot be read: ",
        "absent": "there is no such file",
    }.items():
        assert said in failing(capsys, at, "template", command, model, at.store, *who, at.image(name))
    assert run("template", command, model, at.store, *who, at.image("large"), "--resize") == 0


def test_of_several_images_all_or_none(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    at.image("words").write_text("no image")
    enroll = ("template", "enroll", models["pca"], at.store, "bob")
    assert "words" in failing(capsys, at, *enroll, at.image("bob"), at.image("words"))
    assert not at.store.exists()


def test_unknown_people_and_names(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    model = models["pca"]
    verify = ("template", "verify", model, at.store)
    assert "there is no template store" in failing(capsys, at, *verify, "alice", at.image("alice"))
    assert "there is no template store" in failing(capsys, at, "template", "revoke", at.store, "alice")
    enrolled(at, model)
    assert "eve is not enrolled" in failing(capsys, at, *verify, "eve", at.image("alice"))
    for name in ("", " ", "a\tb", "x" * 201):
        assert "is no name" in failing(capsys, at, "template", "enroll", model, at.store, name, at.image("alice"))
    for way_of_writing in ("Zo\u00eb", "Zoe\u0308"):
        assert run("template", "enroll", model, at.store, way_of_writing, at.image("dan", 2)) == 0
    assert store_file.read(at.store).people[-1] == "Zo\u00eb"
    assert run("template", "revoke", at.store, *PEOPLE, "Zo\u00eb") == 0
    assert "is empty" in failing(capsys, at, "template", "identify", model, at.store, at.image("alice"))


def test_another_model(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    key = ("--key", at.key("desk"))
    enrolled(at, models["biohash"], *key)
    for command in (("verify", "alice"), ("enroll", "alice"), ("identify",)):
        arguments = ("template", command[0], models["other"], at.store, *command[1:], at.image("alice"), *key)
        assert "templates of another model (Biohash, fingerprint " in failing(capsys, at, *arguments)
    assert "holds no trained model" in failing(
        capsys, at, "template", "verify", at.root / "absent", at.store, "alice", at.image("alice")
    )


def test_thresholds(at: Desk, models: Models, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = models["unmeasured"]
    assert run("template", "enroll", model, at.store, "alice", at.image("alice")) == 0
    verify = ("template", "verify", model, at.store, "alice", at.image("alice", 2))
    assert "no threshold is known at FMR 0.01: there is no " in failing(capsys, at, *verify)
    assert run(*verify, "--threshold", 0.5) == 0
    assert "(given)" in capsys.readouterr().out
    assert run(*verify, "--threshold", 0.999) == 1
    shutil.copytree(models["pca"].parent / "evaluate", tmp_path / "else" / "evaluate")
    shutil.copytree(model, tmp_path / "else" / "train")
    beside = ("template", "verify", tmp_path / "else" / "train", *verify[3:])
    capsys.readouterr()
    assert run(*beside) == 2
    assert "is of another model" in capsys.readouterr().err
    (tmp_path / "else" / "evaluate" / "findings.json").write_text(json.dumps({"deployment": {}}))
    assert run(*beside) == 2
    assert "has no whole evaluation `deployment`" in capsys.readouterr().err
    at.store.unlink()
    enrolled(at, models["pca"])
    rare = ("template", "verify", models["pca"], at.store, "alice", at.image("alice", 2), "--fmr", 0.0001)
    assert "the evaluation has thresholds at FMR: 0.01" in failing(capsys, at, *rare)


def test_keys(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    key = at.root / "fresh.key"
    assert run("template", "key", key) == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert "a key is never overwritten" in failing(capsys, at, "template", "key", key)
    enroll = ("template", "enroll", models["biohash"], at.store, "alice", at.image("alice"), "--key")
    whole = key.read_text()
    for content, said in {
        whole[:20] + ("0" if whole[20] != "0" else "1") + whole[21:]: "is damaged",
        whole[:40]: "is damaged",
        "words": "is no key",
    }.items():
        (at.root / "bad.key").write_text(content)
        assert said in failing(capsys, at, *enroll, at.root / "bad.key")
    assert "cannot read the key" in failing(capsys, at, *enroll, at.root / "absent.key")


def test_noise_is_never_drawn_twice(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from veilbench.families.templates.nets.print_encoder import PrintEncoder
    from veilbench.families.templates.schemes.hashmap import HashmapScheme
    from veilbench.families.templates.store.recogniser import load

    torch.manual_seed(0)
    HashmapScheme(PrintEncoder(16, [4, 8]), noise=0.5).save(tmp_path)
    image = np.random.default_rng(0).random((1, 1, SIDE, SIDE), np.float32)
    first, again = (load(tmp_path).make_templates(image, None)[1] for _ in range(2))
    assert 0.3 < (first @ again.T).item() < 0.999, "two processes that draw the same noise let it be taken off again"
