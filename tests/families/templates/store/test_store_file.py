"""A store's file: what is read back, damage of every kind, several writers, and a kill in the middle."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from desk import PEOPLE, Desk
from safetensors.numpy import load_file, save_file

from command_line import run
from veilbench.bench import file_lock
from veilbench.bench.errors import UserError
from veilbench.families.templates.store import replacing, store_file
from veilbench.families.templates.store.packing import Packing
from veilbench.families.templates.store.template_store import TemplateStore, draw_name

Models = dict[str, Path]
RUN = "import sys; from veilbench.cli import main; main(sys.argv[1:])"


def filled() -> TemplateStore:
    rows = np.random.default_rng(0).integers(0, 256, (6, 8), np.uint8)
    store = TemplateStore.empty("00ff", "Biohash", (24, 30), Packing("uint8", 64, True), draw_name())
    for place, row in enumerate(rows):
        store = store.with_template(("Zoë", "bob", "eve")[place % 3], f"key {place // 3}", row)
    return store.without("eve", remembered=True)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store, path = filled(), tmp_path / "store"
    store_file.write(store, path)
    again = store_file.read(path)
    assert vars(again).keys() == vars(store).keys()
    for name, value in vars(store).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert again.people == ("Zoë", "bob")
    assert again.revoked == {("eve", "key 0"), ("eve", "key 1")}
    assert load_file(path)["templates"].tobytes() == store.templates.tobytes(), "other tools read it"


def test_taking_people_out_leaves_the_others_as_they_were() -> None:
    store = filled()
    rows = {name: store.templates[store.belongs_to(name)] for name in store.people}
    assert [len(row) for row in rows.values()] == [2, 2]
    left = store.without("Zoë", remembered=False)
    assert left.people == ("bob",)
    np.testing.assert_array_equal(left.templates[left.belongs_to("bob")], rows["bob"])
    np.testing.assert_array_equal(left.has_key("key 1"), [False, True])
    assert left.without("bob", remembered=False).keys == ()
    assert not left.belongs_to("Zoë").any()


def test_no_bit_can_flip_and_no_byte_be_missing_unseen(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store_file.write(filled(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for length in [0, 1, 7, 8, 9, *rng.integers(10, len(whole), 40).tolist(), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"is damaged, or was cut short|is no template store"):
            store_file.read(path)
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"is damaged|is no template store|of version|cannot be read"):
            store_file.read(path)
    path.write_bytes(whole + b"!")
    with pytest.raises(UserError, match="is damaged"):
        store_file.read(path)


def test_files_that_are_no_stores(tmp_path: Path) -> None:
    path = tmp_path / "store"
    for content in (b"", b"words", pickle.dumps({"a": 1}), b"\x93NUMPY" + b"\0" * 80):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is no template store"):
            store_file.read(path)
    save_file({"weights": np.zeros(3, np.float32)}, path)
    with pytest.raises(UserError, match="is no template store"):
        store_file.read(path)
    with pytest.raises(UserError, match="Is a directory"):
        store_file.read(tmp_path)


def test_arrays_that_do_not_fit_are_refused_although_their_digest_is_right(tmp_path: Path) -> None:
    path, store = tmp_path / "store", filled()
    for name, wrong in {
        "owners": np.array([0, 1, 0, 2], np.int32),
        "under": np.array([0, 0, 0, -1], np.int32),
        "templates": store.templates[:, :7],
    }.items():
        store_file.write(TemplateStore(**{**vars(store), name: wrong}), path)
        with pytest.raises(UserError, match="is damaged"):
            store_file.read(path)


def test_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store_file.write(filled(), path)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8 : 8 + length])
    head["__metadata__"]["version"] = "2"
    text = json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    with pytest.raises(UserError, match="of version 2; this one reads 1"):
        store_file.read(path)


def test_a_link_keeps_pointing_to_what_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to("real")
    with file_lock.lock_file(link) as place:
        replacing.replace(place, b"new")
    assert (link.is_symlink(), real.read_bytes(), real.stat().st_mode & 0o777) == (True, b"new", 0o640)


def test_a_writer_that_waits_too_long_gives_up(tmp_path: Path) -> None:
    told: list[str] = []

    def second() -> None:
        try:
            with file_lock.lock_file(tmp_path / "store", wait=0.2):
                told.append("entered")
        except UserError as error:
            told.append(str(error))

    with file_lock.lock_file(tmp_path / "store"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join()
    assert "is being changed by another process" in told[0]


def test_a_folder_that_cannot_be_written(at: Desk, models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    store = at.root / "absent" / "people.store"
    assert run("template", "enroll", models["pca"], store, "alice", at.image("alice")) == 2
    assert capsys.readouterr().err == f"error: cannot write {store}: the folder {store.parent} does not exist\n"
    assert not store.parent.exists()


def test_two_and_more_writers_lose_nothing(at: Desk, models: Models) -> None:
    code = (
        "import sys; from veilbench.families.templates.store.enrolment import enroll; from pathlib import Path\n"
        "model, store, who, *images = sys.argv[1:]\n"
        "for n, image in enumerate(images): "
        "enroll(Path(model), Path(store), f'{who} {n}', [Path(image)], None, False, False)"
    )
    images = [[at.image(who, number) for number in range(3)] for who in PEOPLE]
    writers = [
        subprocess.Popen([sys.executable, "-c", code, models["pca"], at.store, who, *own])
        for who, own in zip(PEOPLE, images, strict=True)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * len(PEOPLE)
    store = store_file.read(at.store)
    assert set(store.people) == {f"{who} {n}" for who in PEOPLE for n in range(3)}
    assert len(store) == 12
    assert not list(at.root.glob("*.part"))


KILLED = """
import os, signal, sys
from veilbench.bench import file_lock
from veilbench.families.templates.store import replacing
from veilbench.cli import main
dies = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
moment = sys.argv.pop(1)
if moment == "half written":
    real = os.fdopen
    def half(handle, mode):
        file = real(handle, mode)
        class Half:
            def __enter__(self): return self
            def __exit__(self, *error): pass
            def write(self, content): file.write(content[: len(content) // 2]); file.flush(); dies()
        return Half()
    replacing.os.fdopen = half
elif moment == "written":
    os.fsync = dies
elif moment == "about to be moved":
    replacing.Path.replace = dies
main(sys.argv[1:])
"""


@pytest.mark.parametrize("moment", ["half written", "written", "about to be moved"])
def test_a_kill_leaves_the_store_as_it_was(moment: str, at: Desk, models: Models) -> None:
    assert run("template", "enroll", models["pca"], at.store, "alice", at.image("alice")) == 0
    before = at.store.read_bytes()
    command = ["template", "enroll", models["pca"], at.store, "bob", at.image("bob")]
    ended = subprocess.run([sys.executable, "-c", KILLED, moment, *command], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert at.store.read_bytes() == before
    assert list(at.root.glob(".*.part")), "it was killed too early"
    assert run(*command) == 0, "the dead process's lock and litter are in nobody's way"
    assert store_file.read(at.store).people == ("alice", "bob")
    assert not list(at.root.glob(".*.part"))


def test_killed_at_any_time_what_was_reported_is_there(at: Desk, models: Models) -> None:
    code = (
        "import sys; from veilbench.families.templates.store.enrolment import enroll; from pathlib import Path\n"
        "model, store, *images = sys.argv[1:]\n"
        "while True:\n"
        "  for image in images:\n"
        "    enroll(Path(model), Path(store), Path(image).stem, [Path(image)], None, False, False)\n"
        "    print(Path(image).stem, flush=True)\n"
    )
    images = [at.image(who, number) for who in PEOPLE for number in range(3)]
    for reports in (1, 3, 6):
        at.store.unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", code, models["pca"], at.store, *images], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            told = [writer.stdout.readline().strip() for _ in range(reports)]
            os.kill(writer.pid, signal.SIGKILL)
            told += writer.stdout.read().split()
        assert set(told) <= set(store_file.read(at.store).people)


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_stays_beside_a_file_and_goes_where_none_was_made(tmp_path: Path, there: bool) -> None:
    with file_lock.lock_file(tmp_path / "store") as place:
        if there:
            place.write_text("made")
    assert {path.name for path in tmp_path.iterdir()} == ({"store", ".store.lock"} if there else set())
