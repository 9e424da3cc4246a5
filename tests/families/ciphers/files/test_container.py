from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from container_reference import poly1305, read_container

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.aes_gcm import AesGcm
from veilbench.families.ciphers.files import container, frames
from veilbench.families.ciphers.files.escaping import Unescaper, escape
from veilbench.families.ciphers.files.member_ids import MemberIds
from veilbench.families.ciphers.files.schemes import Scheme, create_scheme
from veilbench.families.ciphers.files.tables import CodeTables, UnknownCodeError
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, draw_mapping

KINDS = {
    "small": ((32,), 1),
    "large": ((56,), 1),
    "narrow": ((7,), 1),
    "odd": ((9,), 1),
    "odd_33": ((33,), 1),
    "wide": ((64,), 1),
    "wider_than_a_word": ((70, 9, 200), 2),
    "equal": ((32, 32, 32, 32), 1),
    "mixed": ((32, 40, 48, 56), 1),
    "three": ((33, 9, 56), 1),
    "two_chunks": ((32, 56), 7),
    "five_chunks": ((7, 8, 9, 33, 64), 3),
    "seventeen": ((32,) * 17, 5),
    "long_chunks": ((40, 48), 10**12),
}
SAMPLE = bytes(range(32, 123))


def books(bits: tuple[int, ...], chunk: int = 1, seed: int = 0) -> CodebookCipher:
    rng = np.random.default_rng(seed)
    return CodebookCipher.from_mappings([draw_mapping(b, rng) for b in bits], chunk)


def scheme(kind: str, seed: int = 0) -> Scheme:
    if kind in ("aes_ctr", "aes_gcm"):
        drawn = {"aes_ctr": AesCtr, "aes_gcm": AesGcm}[kind]().with_fresh_key(np.random.default_rng(seed))
        return create_scheme(drawn, kind)
    return create_scheme(books(*KINDS[kind], seed), kind)


def seal(model: Scheme, data: bytes, escaped: bool = False) -> bytes:
    sink = io.BytesIO()
    container.write(model, io.BytesIO(data), sink, "IN", escaped, lambda done: None)
    return sink.getvalue()


def unseal(model: Scheme, sealed: bytes) -> bytes:
    sink = io.BytesIO()
    container.read(model, io.BytesIO(sealed), sink, "IN", "MODEL", lambda done: None)
    return sink.getvalue()


def text(length: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(32, 123, length, dtype=np.uint8).tobytes()


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(container, "READ_BYTES", 50)
    return 50


@pytest.mark.parametrize("kind", [*KINDS, "aes_ctr", "aes_gcm"])
def test_round_trip_around_frame_borders(kind: str, small_frames: int) -> None:
    plain, compiled = scheme(kind), scheme(kind)
    compiled.compile()
    for length in (0, 1, 2, 6, 7, 8, small_frames - 1, small_frames, small_frames + 1, 101, 333):
        data = text(length, length)
        assert unseal(plain, seal(compiled, data)) == data
        assert unseal(compiled, seal(plain, data)) == data
    everything = bytes(range(256)) * 3
    assert unseal(compiled, seal(plain, everything, escaped=True)) == everything


@pytest.mark.parametrize("kind", ["small", "mixed", "two_chunks", "aes_ctr", "aes_gcm"])
def test_round_trip_of_real_frames(kind: str) -> None:
    model = scheme(kind)
    model.compile()
    data = text(2 * container.READ_BYTES + 17)
    assert unseal(model, seal(model, data)) == data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("escaped", [False, True])
def test_reference_reads_it(kind: str, escaped: bool, small_frames: int) -> None:
    bits, chunk = KINDS[kind]
    cipher = books(bits, chunk)
    members = [(b, [c[: -(-b // 8)].tobytes() for c in cipher.codes[m]]) for m, b in enumerate(bits)]
    for data in (b"", b"a", text(203), *([bytes(range(256))] if escaped else [])):
        assert read_container(seal(create_scheme(cipher, kind), data, escaped), members, chunk) == data


def test_reference_poly1305_against_rfc_8439() -> None:
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    expected = bytes.fromhex("a8061dc1305136c6c22b8baf0c0127a9")
    assert poly1305(key, b"Cryptographic Forum Research Group") == expected


def test_codes_have_their_true_size() -> None:
    assert len(seal(scheme("small"), text(1000))) == 42 + 4 + 4 * 1000 + 28
    assert len(seal(scheme("large"), text(1000))) == 42 + 4 + 7 * 1000 + 28
    assert len(seal(scheme("equal"), text(1000))) == 42 + 4 + 250 + 4 * 1000 + 28
    assert len(seal(scheme("aes_ctr"), text(1000))) == 42 + 4 + 1000 + 28


@pytest.mark.parametrize("kind", ["small", "mixed", "two_chunks", "odd", "aes_ctr", "aes_gcm"])
@pytest.mark.parametrize("escaped", [False, True])
def test_every_flipped_byte_is_noticed(kind: str, escaped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "READ_BYTES", 7)
    model = scheme(kind)
    sealed = seal(model, b"Hello\nworld!" if escaped else b"Hello world!", escaped)
    for place in range(len(sealed)):
        for flip in (1, 2, 16, 128, 255):
            changed = bytearray(sealed)
            changed[place] ^= flip
            with pytest.raises(UserError):
                unseal(model, bytes(changed))


@pytest.mark.parametrize("kind", ["small", "mixed", "aes_ctr", "aes_gcm"])
def test_every_truncation_and_addition_is_noticed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "READ_BYTES", 7)
    model = scheme(kind)
    sealed = seal(model, b"Hello world!")
    for length in range(1, len(sealed)):
        with pytest.raises(UserError, match="cut short"):
            unseal(model, sealed[:length])
    with pytest.raises(UserError, match="bytes follow its end record"):
        unseal(model, sealed + b"\0")
    with pytest.raises(UserError, match="not made by"):
        unseal(model, b"")


@pytest.mark.parametrize("kind", ["small", "aes_ctr", "aes_gcm"])
def test_frames_cannot_be_moved_dropped_or_repeated(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "READ_BYTES", 5)
    model = scheme(kind)
    sealed = seal(model, b"aaaaabbbbb")
    size = (len(sealed) - 42 - 28) // 2
    first, second = sealed[42 : 42 + size], sealed[42 + size : 42 + 2 * size]
    for arranged in (second + first, first, second, first + first + second, b""):
        with pytest.raises(UserError, match="changed"):
            unseal(model, sealed[:42] + arranged + sealed[-28:])


def test_changed_frame_length_takes_no_memory() -> None:
    model = scheme("small")
    sealed = bytearray(seal(model, b"Hello"))
    sealed[42:46] = b"\xff\xff\xff\xff"
    with pytest.raises(UserError, match="2097152 are allowed"):
        unseal(model, bytes(sealed))


def test_foreign_files_models_and_versions() -> None:
    model = scheme("small")
    sealed = seal(model, b"Hello")
    with pytest.raises(UserError, match="not made by `veilbench cipher encrypt`"):
        unseal(model, b"Just some text, long enough to be a header of a container")
    for other in (scheme("small", seed=1), scheme("mixed"), scheme("aes_ctr"), scheme("aes_gcm")):
        with pytest.raises(UserError, match="another model"):
            unseal(other, sealed)
    with pytest.raises(UserError, match="format version 2"):
        unseal(model, sealed[:8] + b"\2" + sealed[9:])
    with pytest.raises(UserError, match="flags are 2"):
        unseal(model, sealed[:9] + b"\2" + sealed[10:])


def test_fingerprint_is_of_the_tables_not_of_their_layout() -> None:
    one = books((32, 32))
    wider = np.concatenate([one.codes, np.zeros((2, 91, 3), np.uint8)], axis=2)
    same = CodebookCipher(wider, one.bits, one.decoded, 1, None)
    assert create_scheme(one, "").fingerprint == create_scheme(same, "").fingerprint
    assert create_scheme(books((32, 32), 2), "").fingerprint != create_scheme(one, "").fingerprint
    changed = CodebookCipher(one.codes ^ (np.arange(4) == 3), one.bits, one.decoded)
    assert create_scheme(changed, "").fingerprint != create_scheme(one, "").fingerprint


def test_tables_key_the_tag_where_there_is_no_mapping() -> None:
    drawn = books((32, 40))
    model = create_scheme(CodebookCipher(drawn.codes, drawn.bits, drawn.decoded), "agreed")
    assert unseal(model, seal(model, SAMPLE)) == SAMPLE


def test_salt_ids_and_tag_differ_between_runs() -> None:
    model, data = scheme("equal"), text(400)
    one, two = seal(model, data), seal(model, data)
    assert one[:26] == two[:26]
    assert one[26:42] != two[26:42]  # salt
    assert one[46:146] != two[46:146]  # ids
    assert one[-16:] != two[-16:]
    same = scheme("small")
    assert seal(same, data)[42:-16] == seal(same, data)[42:-16]
    assert seal(same, data)[-16:] != seal(same, data)[-16:]
    assert seal(scheme("aes_ctr"), data)[46:446] != seal(scheme("aes_ctr"), data)[46:446]


@pytest.mark.parametrize("members", [2, 3, 4, 5, 7, 16, 17, 100, 256])
def test_ids_are_equally_likely(members: int) -> None:
    ids, length = MemberIds(members, 1), 200 * members
    drawn = ids.draw(length)
    counts = np.bincount(ids.unpack(drawn, length), minlength=members)
    assert len(counts) == members
    chi = ((counts - 200) ** 2 / 200).sum()
    assert chi < members + 10 * np.sqrt(2 * members) + 20


def test_out_of_range_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        MemberIds(3, 1).unpack(np.array([243], np.uint8), 5)


@pytest.mark.parametrize("kind", ["small", "mixed", "odd", "wider_than_a_word"])
@pytest.mark.parametrize("compiled", [False, True])
def test_codes_in_no_book_are_refused_without_the_tag(kind: str, compiled: bool) -> None:
    cipher = books(*KINDS[kind])
    tables = CodeTables(cipher)
    if compiled:
        tables.compile()
    data, rng = np.frombuffer(text(64), np.uint8), np.random.default_rng(3)
    members = rng.integers(0, cipher.members, 64).astype(np.uint8)
    codes = tables.encode(data, members)
    room = np.concatenate([codes, rng.integers(0, 256, tables.slack, dtype=np.uint8)])
    assert (tables.decode(room, members) == data).all()
    known = {(m, row.tobytes()[: tables.lengths[m]]) for m in range(cipher.members) for row in cipher.codes[m]}
    starts = np.cumsum(tables.lengths[members]) - tables.lengths[members]
    for place in range(len(codes)):
        room[place] ^= 1
        i = int(np.searchsorted(starts, place, side="right")) - 1
        end = starts[i] + tables.lengths[members[i]]
        if (int(members[i]), room[starts[i] : end].tobytes()) not in known:
            with pytest.raises(UnknownCodeError):
                tables.decode(room, members)
        room[place] ^= 1


def test_numpy_takes_over_where_nothing_compiled_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.njit", refuse)
    monkeypatch.delitem(sys.modules, "veilbench.families.ciphers.files.table_kernels", raising=False)
    monkeypatch.delattr("veilbench.families.ciphers.files.table_kernels", raising=False)
    model = scheme("mixed")
    model.compile()
    assert unseal(model, seal(model, SAMPLE)) == SAMPLE


def test_ciphers_that_lose_text_are_refused() -> None:
    good = books((32, 32))
    wrong = good.decoded.copy()
    wrong[1, 5] = 6
    with pytest.raises(UserError, match="member 1 gets 1 of 91 characters wrong, the first is '%' read as '&'"):
        create_scheme(CodebookCipher(good.codes, good.bits, wrong), "it")
    twice = good.codes.copy()
    twice[0, 1] = twice[0, 0]
    with pytest.raises(UserError, match="one code for two characters"):
        create_scheme(CodebookCipher(twice, good.bits, good.decoded), "it")
    with pytest.raises(ValueError, match="257 members"):
        create_scheme(books((7,) * 257), "it")


@pytest.mark.parametrize("seed", range(30))
def test_escaping_round_trips_any_bytes_cut_anywhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    share = rng.random()
    data = rng.integers(97, 122, int(rng.integers(0, 400)), dtype=np.uint8)
    strange = rng.random(len(data)) < share**3
    data[strange] = rng.integers(0, 256, int(strange.sum()), dtype=np.uint8)
    written = escape(data)
    assert len(written) <= 2 * len(data)
    assert ((written >= 32) & (written <= 122)).all()
    unescape, cuts = Unescaper(), np.sort(rng.integers(0, len(written) + 1, 5))
    parts = [unescape(part) for part in np.split(written, cuts) if len(part)]
    unescape.finish()
    assert b"".join(part.tobytes() for part in parts) == data.tobytes()


def test_malformed_escapes_are_refused() -> None:
    with pytest.raises(ValueError, match="stands for nothing"):
        Unescaper()(np.frombuffer(b"a^^b", np.uint8))
    with pytest.raises(ValueError, match="stands for nothing"):
        Unescaper()(np.frombuffer(b"`z", np.uint8))
    unescape = Unescaper()
    unescape(np.frombuffer(b"ab^", np.uint8))
    with pytest.raises(ValueError, match="ends on a mark"):
        unescape.finish()


def test_each_purpose_and_file_has_its_own_key() -> None:
    made = {
        frames.derive_key(material, salt, purpose, 32)
        for material in (b"a", b"b")
        for salt in (bytes(16), bytes(15) + b"1")
        for purpose in ("tag", "cipher")
    }
    assert len(made) == 8


def test_the_end_of_a_gcm_file_has_a_nonce_that_no_frame_has() -> None:
    """Read with the cipher alone: eleven bytes of the frame's number, and a last one that is 1 at the end only."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    material, salt, header = b"key", bytes(16), b"header"
    made, cipher = frames.GcmFrames(header, material, salt), AESGCM(frames.derive_key(material, salt, "cipher", 32))
    (first,), (second,), end = (
        made.seal(np.array([65], np.uint8)),
        made.seal(np.array([66], np.uint8)),
        made.tag(b"end"),
    )
    assert cipher.decrypt(bytes(12), bytes(first), header) == b"A"
    assert cipher.decrypt(bytes(10) + b"\1\0", bytes(second), header) == b"B"
    assert cipher.decrypt(bytes(10) + b"\2\1", end, header + b"end") == b""
