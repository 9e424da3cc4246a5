"""Ciphers that exist already: the bytes are theirs, attacks run, and what they lack is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from finished import Finished, register
from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.wrapped.chacha20 import ChaCha20
from veilbench.families.ciphers.wrapped.command_cipher import ALLOWED, CommandCipher
from veilbench.families.ciphers.wrapped.object_cipher import ObjectCipher
from veilbench.text.alphabet import FIRST, encode

RNG = np.random.default_rng(0)
OWN = Path(__file__).with_name("own_ciphers.py")
TEXTS = Texts(*[encode("some text")] * 4)
TINY = [
    "data.docstrings=false",
    "evaluation.fidelity.length=500",
    "evaluation.speed={length:500,repeats:1}",
    "attack.frequency={lengths:[100],texts:2,curve_texts:2}",
    "attack.known_plaintext={known:[40],texts:{length:40,count:4,samples:2},decoder:{known:[]}}",
    "attack.affine={messages:40,secrets:4}",
    "attack.chosen_plaintext={games:20,queries:10}",
    "attack.key_sensitivity.trials=8",
]


@pytest.fixture(autouse=True)
def own_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(OWN, monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ALLOWED, f"openssl:{sys.executable}")


def program(key: str, **settings: object) -> CommandCipher:
    line = f"{sys.executable} {OWN} {key} {{in}} {{out}}"
    return CommandCipher(line, line, **settings)  # type: ignore[arg-type]


def test_an_object_s_ciphertexts_are_those_of_the_object() -> None:
    model = ObjectCipher({"_target_": "own_ciphers.Xor"}, key_bytes=3).fit(TEXTS, RNG)
    message = encode("attack at dawn")
    sealed = model.encrypt(message, RNG)
    key = model.key.tobytes()
    expected = bytes((symbol + FIRST) ^ key[place % 3] for place, symbol in enumerate(message))
    assert sealed.codes.tobytes() == expected
    assert sealed.nonce == b""
    assert model.deterministic
    np.testing.assert_array_equal(model.decrypt(sealed), message)


def test_header_blocks_and_trailer_are_cut_and_joined_again(tmp_path: Path) -> None:
    model = ObjectCipher({"_target_": f"{ChaCha20.__module__}.ChaCha20"}, key_bytes=32, header=12, block=4, code=4)
    fitted = model.fit(TEXTS, RNG)
    message = encode("sixteen letters!")
    sealed = fitted.encrypt(message, RNG)
    assert sealed.codes.shape == (4, 4)
    assert len(sealed.nonce) == 12 + 16
    whole = sealed.codes.tobytes() + sealed.nonce[12:]
    opened = ChaCha20Poly1305(fitted.key.tobytes()).decrypt(sealed.nonce[:12], whole, None)
    assert opened == b"sixteen letters!"
    fitted.save(tmp_path)
    np.testing.assert_array_equal(load_trained_model(tmp_path).decrypt(sealed), message)  # type: ignore[attr-defined]


def test_all_stages_run_on_an_object_and_name_what_it_lacks(tmp_path: Path) -> None:
    job = Finished(tmp_path / "job", "experiment=object_cipher", *TINY)
    assert job.found("evaluate")["fidelity"]["metrics"]["round_trip_english"]["value"] == 1
    own_nonce = "not applicable by construction: the nonce cannot be chosen: this cipher draws its own"
    assert job.inapplicable() == {"key_sensitivity": own_nonce}
    attacks = job.found("attack")
    assert all(attacks[name]["gain"] for name in ("frequency", "known_plaintext", "affine", "chosen_plaintext"))
    assert any("repeated nonces are not played" in note for note in attacks["chosen_plaintext"]["notes"])
    assert attacks["key_sensitivity"]["threat"]["key"] is True


def test_all_stages_run_on_a_program_and_a_weak_one_is_broken(tmp_path: Path) -> None:
    line = f"{sys.executable} -S {OWN} {{key}} {{in}} {{out}}"
    attacks = "attack=[known_plaintext,key_sensitivity]"
    own = [f"model.{name}='{line}'" for name in ("encrypt", "decrypt")]
    tiny = [one for one in TINY if one.split(".")[1].split("=")[0] not in ("frequency", "affine", "chosen_plaintext")]
    job = Finished(tmp_path / "job", "experiment=command_cipher", *own, "model.key_bytes=1", attacks, *tiny)
    assert job.inapplicable() == {}
    assert job.found("attack")["known_plaintext"]["gain"]["value"] > 0.5  # 40 known characters
    assert job.found("attack")["key_sensitivity"]["gain"]["value"] > 0.7  # one bit of eight changes


def test_a_program_is_called_with_the_key(tmp_path: Path) -> None:
    model = program("{key}", key_bytes=2).fit(TEXTS, RNG)
    plain = b"attack at dawn"
    key = model.key.tobytes()
    assert model.encrypt_bytes(plain) == bytes(byte ^ key[place % 2] for place, byte in enumerate(plain))
    model.save(tmp_path)
    assert load_trained_model(tmp_path).decrypt_bytes(model.encrypt_bytes(plain)) == plain  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("key", "settings", "said"),
    [
        ("fail", {}, "ended with code 1: the key is refused"),
        ("sleep", {"timeout": 1.0}, "did not end within timeout=1 seconds"),
        ("silent", {}, "wrote no file {out}"),
    ],
)
def test_a_program_that_fails_is_one_line(key: str, settings: dict[str, float], said: str) -> None:
    with pytest.raises(UserError) as refused:
        program(key, **settings).fit(TEXTS, RNG)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tool {in}", "must contain {in} and {out}; {out} is missing"),
        ("tool '{in} {out}", "is no command line"),
        ("", "must name a program"),
    ],
)
def test_a_wrong_command_line_is_refused(line: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 # what it says is compared below
        CommandCipher(line, line)
    assert said in str(refused.value)


def test_only_programs_that_the_environment_allows_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOWED)
    with pytest.raises(UserError, match=f"{ALLOWED} allows none: set {ALLOWED}="):
        program("{key}").encrypt_bytes(b"x")


def test_there_is_no_shell(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    line = f"{sys.executable} {OWN} 61 {{in}} {{out}} ; touch {touched} && $(touch {touched})"
    CommandCipher(line, line).fit(TEXTS, RNG)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Lossy", "own_ciphers.Lossy decrypts b'The quick brown fox '... to b'The quick brown fox '..."),
        (
            "Failing",
            "own_ciphers.Failing.encrypt failed on 56 bytes: RuntimeError: no entropy (own_ciphers.py, line 28)",
        ),
        ("Wordy", "own_ciphers.Wordy.encrypt returns str, and bytes are needed"),
    ],
)
def test_an_object_that_fails_is_one_line(name: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        ObjectCipher({"_target_": f"own_ciphers.{name}"}).fit(TEXTS, RNG)
    assert str(refused.value) == said


def test_a_layout_that_does_not_fit_is_one_line() -> None:
    model = ObjectCipher({"_target_": "own_ciphers.Xor"}, header=16)
    with pytest.raises(UserError, match="of 9 characters has 9 bytes, and header=16, block=1 and code=1 need 25"):
        model.encrypt(encode("some text"), RNG)


def test_a_fixed_key_is_named_as_what_is_lacking() -> None:
    lacks = ObjectCipher({"_target_": "own_ciphers.Xor"}).fit(TEXTS, RNG).lacks()
    assert lacks == dict.fromkeys(
        ("with_key_bit_flipped", "decrypt_under"), "its key cannot be changed: key_bytes is 0"
    )


@pytest.mark.parametrize("target", ["os.system", "own_ciphers.Path", "veilbench.bench.threat.ThreatModel"])
def test_objects_of_registered_packages_with_both_methods_alone_are_named(target: str) -> None:
    with pytest.raises((UserError, ValueError), match=r"names nothing|has no method encrypt"):
        ObjectCipher({"_target_": target})
