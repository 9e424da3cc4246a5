"""Every kind of saved model with every small damage is refused in one line, or works with finite results."""

from __future__ import annotations

import copy
import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build
from veilbench.bench.trained_model import TrainedModel, load_trained_model
from veilbench.corruptions.blur import Blur
from veilbench.corruptions.gaussian import Gaussian
from veilbench.corruptions.missing_blocks import MissingBlocks
from veilbench.corruptions.salt_and_pepper import SaltAndPepper
from veilbench.corruptions.watermark import Watermark
from veilbench.families.autoencoders.baselines.biharmonic import Biharmonic
from veilbench.families.autoencoders.baselines.diffusion_time import DiffusionTime
from veilbench.families.autoencoders.baselines.folded_code import FoldedCode
from veilbench.families.autoencoders.baselines.gaussian_mixture import GaussianMixture
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.isolation_forest import IsolationForest
from veilbench.families.autoencoders.baselines.kernel_mmse import KernelMmse
from veilbench.families.autoencoders.baselines.known_anomalies import KnownAnomalies
from veilbench.families.autoencoders.baselines.least_squares import LeastSquares
from veilbench.families.autoencoders.baselines.linear_patches import LinearPatches
from veilbench.families.autoencoders.baselines.mahalanobis import Mahalanobis
from veilbench.families.autoencoders.baselines.median import Median
from veilbench.families.autoencoders.baselines.memorised import Memorised
from veilbench.families.autoencoders.baselines.minor_component import MinorComponent
from veilbench.families.autoencoders.baselines.nearest_neighbours import NearestNeighbours
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.baselines.probabilistic_pca import ProbabilisticPca
from veilbench.families.autoencoders.baselines.random_code import RandomCode
from veilbench.families.autoencoders.baselines.richardson_lucy import RichardsonLucy
from veilbench.families.autoencoders.baselines.total_variation import TotalVariation
from veilbench.families.autoencoders.baselines.unstamped import Unstamped
from veilbench.families.autoencoders.baselines.wiener import Wiener
from veilbench.families.autoencoders.baselines.wiener_deconvolution import WienerDeconvolution
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.nets.autoencoder_net import AutoencoderNet
from veilbench.families.autoencoders.schemes.autoencoder import CodedRows
from veilbench.families.autoencoders.schemes.base import Detector, Representation, Restorer
from veilbench.families.autoencoders.schemes.denoiser import Denoiser
from veilbench.families.autoencoders.schemes.neighbour_detector import NeighbourDetector
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.aes_gcm import AesGcm
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.baselines.repeated_key import RepeatedKey
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.modules.cipher_pair import CipherPair
from veilbench.families.ciphers.nets.mix_transform import AliceAndBob
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.families.ciphers.schemes.keyed import KeyedCipher
from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.families.mail.baselines.memorised_mails import MemorisedMails
from veilbench.families.mail.baselines.one_good_word import OneGoodWord
from veilbench.families.mail.baselines.source_leak_test import SourceLeakTest
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.data.vocabulary import Vocabulary
from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.nets.print_encoder import PrintEncoder
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.client_hashmaps import ClientHashmaps
from veilbench.families.templates.schemes.hashmap import HashmapScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.iom_urp import IomUrp
from veilbench.families.templates.schemes.lattice_fuzzy_extractor import LatticeFuzzyExtractor
from veilbench.families.templates.schemes.mlp_hash import MlpHash
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.pca_template import PcaTemplate
from veilbench.families.templates.schemes.polyprotect import Polyprotect
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.schemes.slerp_face import SlerpFace
from veilbench.families.templates.wrapped.image_input import ImageInput
from veilbench.families.templates.wrapped.torch_extractor import TorchExtractor
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.nets.convolutional import Convolutional, FullyConvolutional
from veilbench.nets.dense import Dense
from veilbench.nets.multi_scale import MultiScale

WORDS = Vocabulary(["hello", "win", "now", "naïve"])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@functools.cache
def rows(*shape: int) -> Rows:
    """Create smooth rows in [0, 1] with a few outliers; the first part has only one class."""
    made = rng(1)

    def part(n: int, odd: int) -> Part:
        x = 0.5 + 0.1 * made.normal(size=(n, *shape)) + 0.2 * made.normal(size=(n, *[1] * len(shape)))
        return Part(np.clip(x, 0, 1).astype(np.float32), (np.arange(n) < odd).astype(np.int64))

    return Rows(part(40, 0), part(12, 0), part(12, 0), part(12, 4), [], ["normal", "anomaly"], True, [])


@functools.cache
def people() -> Identities:
    made = rng(2)
    who = np.repeat(np.arange(12), 3)
    images = np.clip(0.5 + 0.2 * made.normal(size=(36, 1, 8, 8)), 0, 1).astype(np.float32)
    part = Impressions(images, who, np.tile(np.arange(3), 12), {})
    return Identities(part, part, part, part, {}, [])


@functools.cache
def mails() -> Mails:
    made = rng(3)

    def part(n: int) -> MailPart:
        return MailPart(made.integers(0, WORDS.size, (n, 5)).astype(np.int32), np.arange(n) % 2, np.zeros(n, np.int64))

    words = ["hello", "win", "now", "naïve"]
    return Mails(part(20), part(8), part(8), part(8), np.zeros(20, np.int64), WORDS, words, np.zeros(4, bool), [])


def pair(**settings: Any) -> TrainedModel:
    text = np.arange(91, dtype=np.uint8)
    module = CipherPair(**({"encrypter": [], "decrypter": [], "code_bits": 16} | settings))
    module.start(Texts(text, text, text, text), np.random.SeedSequence(0))
    return module.trained_model()


def keyed() -> KeyedCipher:
    torch.manual_seed(0)
    weights = {name: weight.numpy() for name, weight in AliceAndBob(16).state_dict().items()}
    return KeyedCipher(weights, 16, rng().integers(0, 2, 16, dtype=np.uint8))


def coded(architecture: Any, score: Any, **settings: Any) -> CodedRows:
    shape = (6,) if isinstance(architecture, Dense) else (1, 6, 6)
    torch.manual_seed(0)
    return CodedRows.fit_score(AutoencoderNet(architecture, shape, **settings), score, rows(*shape).train.x)


def spam_filter(dimension: int) -> MailFilter:
    torch.manual_seed(0)
    weights = {n: w.numpy() for n, w in MailClassifierNet(WORDS.size, dimension, 4).state_dict().items()}
    return MailFilter(weights, WORDS, 5, Protocol(describe_aggregation(Plain())))


def encoder() -> PrintEncoder:
    torch.manual_seed(0)
    return PrintEncoder(4, [4, 8], "batch", 2)


def torch_encoder() -> TrainedModel:
    net = {"_target_": "veilbench.families.templates.nets.print_encoder.PrintEncoder", "code": 4, "channels": [4, 8]}
    with tempfile.TemporaryDirectory() as folder:
        save_torch(build(net | {"grid": 2}).state_dict(), f"{folder}/net.safetensors")
        images = ImageInput([16, 16], 1, [0.5], [0.5])
        extractor = TorchExtractor(net | {"grid": 2}, f"{folder}/net.safetensors", images)
        return RawTemplate(extractor).fit(people(), rng())


BLUR, PCA = Blur(0.7), ImageExtractor("pixels", 6)
TABLE: list[Any] = [Pca(2), RandomCode(3), MinorComponent(), InputNorm(), Mahalanobis(), KnownAnomalies("linf")]
TABLE += [IsolationForest(3), NearestNeighbours(3), IdentityCode(), Memorised(), FoldedCode(2)]
TABLE += [ProbabilisticPca(), GaussianMixture(), DiffusionTime(3)]
IMAGES: list[Any] = [Wiener(0.1, 2), KernelMmse(0.1), TotalVariation(0.1), LinearPatches(Gaussian(0.1))]
IMAGES += [Median(SaltAndPepper(0.1)), RichardsonLucy(BLUR), WienerDeconvolution(BLUR), LeastSquares(BLUR)]
IMAGES += [Unstamped(Watermark("A", 0.5)), Biharmonic(MissingBlocks(1, 2))]
TEMPLATES: list[Any] = [
    RawTemplate(ImageExtractor("orientation", None, grid=4)),
    PcaTemplate(PCA),
    RandomProjection(PCA, 5),
]
TEMPLATES += [Biohash(PCA, 5), IomGrp(PCA, 6, 4), IomUrp(PCA, 6, 4, 2), MlpHash(PCA, [5], 4), Polyprotect(PCA, 3, 1)]
TEMPLATES += [NoiseTemplate(PCA, 5), SlerpFace(PCA, 0.9, 0.3, 3), LatticeFuzzyExtractor(ImageExtractor("pixels", 8))]
MODELS: dict[str, Callable[[], TrainedModel]] = {
    "Substitution": lambda: Substitution([8, 20], chunk=3, seed=1),
    "CipherPair": pair,
    "CipherPair, two members": lambda: pair(members=2, mapping=False),
    "CipherPair, floats": lambda: pair(travels="floats"),
    "KeyedCipher": keyed,
    "Plaintext": Plaintext,
    **{kind.__name__: functools.partial(kind().with_fresh_key, rng()) for kind in (AesCtr, AesGcm, OneTimePad)},
    "RepeatedKey": lambda: RepeatedKey().with_fresh_key(rng()),
    **{type(one).__name__: functools.partial(one.fit, rows(6), rng()) for one in TABLE},
    **{type(one).__name__: functools.partial(one.fit, rows(1, 6, 6), rng()) for one in IMAGES},
    **{type(one).__name__: functools.partial(one.fit, people(), rng()) for one in TEMPLATES},
    "CodedRows": lambda: coded(Dense(2, 1), "error", output="sigmoid"),
    "CodedRows, combined": lambda: coded(Dense(2, 1, [4]), "combined", outputs=2),
    "CodedRows, whitened": lambda: coded(Convolutional(2, [2], 3), "whitened"),
    "CodedRows, mahalanobis": lambda: coded(FullyConvolutional(2, 2, 3), "mahalanobis", residual=True),
    "Denoiser": lambda: Denoiser(MultiScale([2, 3]), sigma=0.1),
    "NeighbourDetector": lambda: NeighbourDetector.keep_rows(coded(Dense(2, 1, [4]), "error"), rows(6).train.x, 3),
    "RawTemplate, torch": torch_encoder,
    "HashmapScheme": lambda: HashmapScheme(encoder(), True, True, 0.1, 3),
    "ClientHashmaps": lambda: ClientHashmaps([encoder(), encoder()]),
    "MailFilter": lambda: spam_filter(1),
    "MailFilter, deep": lambda: spam_filter(3),
    **{kind.__name__: functools.partial(kind().fit, mails(), rng()) for kind in (MemorisedMails, OneGoodWord)},
    "LogisticFilter": LogisticFilter,
    "SourceLeakTest": SourceLeakTest,
}


def work(trained: TrainedModel) -> None:
    """Use the trained model as intended, and check that all its results are finite."""
    answers: list[Any] = []
    if isinstance(trained, Cipher):
        message = np.array([0, 5, 90, 7, 7, 33], np.uint8)
        ciphertext = trained.encrypt(message, rng())
        answers += [ciphertext.codes, ciphertext.bits, trained.decrypt(ciphertext)]
        assert len(answers[-1]) == len(message)
        assert answers[-1].max() < 91
    if isinstance(trained, TemplateScheme):
        images, keys = people().train.images[:6], np.arange(6, dtype=np.uint64)
        templates = trained.enroll(images, keys)
        answers += [templates, trained.compare(templates, templates)]
    if isinstance(trained, SpamScorer):
        answers.append(trained.logits(mails().test.tokens))
    given = rows(6) if not isinstance(trained, Restorer) or _table(trained) else rows(1, 6, 6)
    if isinstance(trained, Representation):
        answers.append(trained.reconstruct(given.test.x))
    if isinstance(trained, Detector):
        answers.append(trained.score(given.test.x))
    if isinstance(trained, Restorer):
        answers.append(trained.restore_rows(given.test.x[:3]))
    assert answers, f"{type(trained).__name__} is for something else"
    for answer in answers:
        assert np.isfinite(np.asarray(answer, np.float64)).all()


def _table(trained: TrainedModel) -> bool:
    return isinstance(trained, CodedRows) and len(trained.net.shape) == 1


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @functools.cache
    def folder(name: str) -> Path:
        made = tmp_path_factory.mktemp("trained")
        MODELS[name]().save(made)
        return made

    return folder


def verdict(folder: Path) -> str:
    """Return the error that refuses a model; empty if it works."""
    try:
        trained = load_trained_model(folder)
    except UserError as refused:
        message = str(refused)
        assert message.startswith(f"{folder} holds a damaged model: "), message
        assert "\n" not in message
        assert len(message) < 1_000
        return message.removeprefix(f"{folder} holds a damaged model: ")
    try:
        work(trained)
    except UserError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("name", MODELS)
def test_what_was_saved_works(name: str, saved: Callable[[str], Path]) -> None:
    assert verdict(saved(name)) == ""


def damaged(array: np.ndarray) -> Iterator[tuple[str, np.ndarray | None]]:
    """Yield the array with many kinds of damage, each with its description."""
    yield "dropped", None
    yield "flat", array.reshape(-1)[: max(array.size - 1, 0)]
    yield "one axis more", array[None]
    yield "shorter", array[:-1]
    yield "empty", array[:0]
    yield "transposed", np.ascontiguousarray(array.T)
    for dtype in (np.float16, np.float64, np.int32, np.uint8):
        if dtype != array.dtype:
            with np.errstate(all="ignore"):
                yield f"as {np.dtype(dtype).name}", array.astype(dtype)
    if array.dtype.kind == "f":
        for value in (np.nan, np.inf, -np.inf, 1e37, -1e37):
            yield f"all {value}", np.full_like(array, value)
            yield f"one {value}", _with_one(array, value)
        yield "all -1", np.full_like(array, -1)
    else:
        ends = np.iinfo(array.dtype)
        for end in {ends.min, ends.max, 0}:
            yield f"all {end}", np.full_like(array, end)
            yield f"one {end}", _with_one(array, end)


def _with_one(array: np.ndarray, value: float) -> np.ndarray:
    made = array.copy()
    made.reshape(-1)[:1] = value
    return made


WRONG: list[Any] = [None, "x", [], {}, True, -1, 0, 0.5, 10**12, 10**30, -(10**30), 1e300, float("nan"), float("inf")]
REMOVED = object()


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value in nested settings, including inner nodes."""
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield from places(child, (*path, key))


def changed(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(node)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    if value is REMOVED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_array_is_named_or_harmless(name: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    source = saved(name)
    arrays = load_file(source / "model.safetensors")
    (tmp_path / "model.json").write_bytes((source / "model.json").read_bytes())
    for which, array in arrays.items():
        for how, wrong in damaged(array):
            others = {key: value for key, value in arrays.items() if key != which}
            save_file(others if wrong is None else others | {which: wrong}, tmp_path / "model.safetensors")
            told = verdict(tmp_path)
            optional = which == "key"  # code books without a key come from networks that found their own code
            if how == "dropped" and not optional:
                assert which.rpartition("network.")[2].removeprefix("net.") in told, (which, how, told)
            if how in ("all nan", "one nan", "all inf", "all 1e+37", "one -1e+37"):
                assert told, (which, how)


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_setting_is_named_or_harmless(name: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    source = saved(name)
    head = json.loads((source / "model.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    for path in places(head["settings"]):
        if "aggregation" in path[:-1]:
            continue  # it is checked where it is built
        for wrong in (REMOVED, *WRONG):
            settings = changed(head["settings"], path, wrong)
            (tmp_path / "model.json").write_text(json.dumps(head | {"settings": settings}))
            told = verdict(tmp_path)
            if isinstance(wrong, float | int) and not isinstance(wrong, bool) and not -1e200 < wrong < 1e29:
                assert told, (path, wrong)


@pytest.mark.parametrize("settings", [None, [], "x", 3])
def test_settings_that_are_no_object_are_refused(settings: Any, saved: Callable[[str], Path], tmp_path: Path) -> None:
    for name in MODELS:
        head = json.loads((saved(name) / "model.json").read_text())
        (tmp_path / "model.json").write_text(json.dumps(head | {"settings": settings}))
        (tmp_path / "model.safetensors").write_bytes((saved(name) / "model.safetensors").read_bytes())
        assert verdict(tmp_path) == f"settings={settings!r} is not an object"


@pytest.mark.parametrize(
    ("name", "array", "wrong", "said"),
    [
        (
            "Substitution",
            "decoded",
            np.full((2, 91), 200, np.uint8),
            "decoded holds 200 at [0, 0], at most 90 is needed",
        ),
        ("KeyedCipher", "key", np.full(16, 2, np.uint8), "key holds 2 at [0], at most 1 is needed"),
        ("AesGcm", "key", np.zeros(16, np.uint8), "key has shape [16], [32] is needed"),
        ("Pca", "components", np.zeros((3, 6)), "components has shape [3, 6], [2, 6] is needed"),
        ("Median", "strength", np.array([1e6]), "strength holds 1e+06, one of 3, 5, 7 is needed"),
        (
            "MailFilter",
            "net.bias.weight",
            np.zeros((1, 2), np.float32),
            "net.bias.weight has shape [1, 2], [1, 1] is needed",
        ),
        ("PcaTemplate", "basis", np.zeros((64, 5), np.float32), "basis has shape [64, 5], [64, 6] is needed"),
    ],
)
def test_the_line_names_the_array_and_what_is_needed(
    name: str, array: str, wrong: np.ndarray, said: str, saved: Callable[[str], Path], tmp_path: Path
) -> None:
    arrays = load_file(saved(name) / "model.safetensors")
    (tmp_path / "model.json").write_bytes((saved(name) / "model.json").read_bytes())
    save_file(arrays | {array: wrong}, tmp_path / "model.safetensors")
    assert verdict(tmp_path) == said
