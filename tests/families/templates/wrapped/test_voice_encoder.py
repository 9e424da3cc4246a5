"""Resemblyzer's encoder of voices as a torch module of a user's bench, whose files are those of the docs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generated_voices import FRAMES, draw_speaker, speak
from safetensors.torch import save_file

from finished import Finished
from veilbench.bench.homes import forget_homes

resemblyzer = pytest.importorskip("resemblyzer", reason="resemblyzer is not installed: pip install resemblyzer")
pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[4] / "docs" / "finished_encoders.md"
FILES = ("voices.py", "conf/model/extractor/voices.yaml", "conf/data/voices.yaml")
SPEAKERS, EACH = 30, 6
ATTACK = "template_inversion_known_key"
SMALL = (
    "decoders.kinds=[linear]",
    "decoders.sizes=[60]",
    "search.steps=6",
    "operating_point.most_victims=12",
)


@pytest.fixture(scope="module")
def mels() -> np.ndarray:
    """Mel spectrograms, shape (speakers * each, frames, 40), as Resemblyzer computes them."""
    rng = np.random.default_rng(0)
    waves = [speak(one, rng) for one in [draw_speaker(rng) for _ in range(SPEAKERS)] for _ in range(EACH)]
    return np.stack([resemblyzer.wav_to_mel_spectrogram(wave)[:FRAMES] for wave in waves])


@pytest.fixture(scope="module", autouse=True)
def registered(mels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bench that one stands in: the docs' files, the weights and the voices."""
    bench, page = tmp_path_factory.mktemp("bench"), PAGE.read_text("utf8")
    for name in FILES:
        block = re.search(rf"^```\w+\n(# {name}\n.*?)^```", page, re.M | re.S)
        assert block, f"{PAGE.name} has no block of code that begins with # {name}"
        (bench / name).parent.mkdir(parents=True, exist_ok=True)
        (bench / name).write_text(block[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(bench)
        patch.syspath_prepend(str(bench))
        forget_homes()
        import voices

        save_file(resemblyzer.VoiceEncoder("cpu", verbose=False).state_dict(), "voices.safetensors")
        np.savez("voices.npz", images=voices.draw(mels), identities=np.repeat(np.arange(SPEAKERS), EACH))
        yield bench
    sys.modules.pop("voices")
    forget_homes()


@pytest.fixture(scope="module")
def run(registered: Path) -> Finished:
    """The whole experiment, with an attack that searches by gradients."""
    words = ["experiment=torch_encoder", "data=voices", "model=biohash", "model/extractor=voices", "seed=0"]
    words += ["evaluation=[verification]", f"attack=[{ATTACK}]", *(f"attack.{ATTACK}.{one}" for one in SMALL)]
    return Finished(registered / "results", *words)


def own_embeddings(mels: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        made: np.ndarray = resemblyzer.VoiceEncoder("cpu", verbose=False)(torch.from_numpy(mels)).numpy()
    return made


def extractor_of(run: Finished) -> Any:
    return run.model.extractor  # type: ignore[attr-defined]


def test_embeddings_are_those_of_the_encoder_itself(run: Finished, mels: np.ndarray) -> None:
    import voices

    pixels = np.rint(255 * voices.draw(mels[::9])[:, None]).astype(np.float32) / np.float32(255)
    found = extractor_of(run)(pixels)
    assert found.shape == (20, 256)
    low, high = voices.POWERS
    np.testing.assert_allclose(found, own_embeddings(low * (high / low) ** pixels[:, 0]), atol=1e-5)
    assert (found * own_embeddings(mels[::9])).sum(1).min() > 0.999  # 256 grey values lose next to nothing


def test_gradients_reach_the_image(run: Finished, mels: np.ndarray) -> None:
    import voices

    images = torch.from_numpy(voices.draw(mels[:3])[:, None].astype(np.float32)).requires_grad_()
    extractor, direction = extractor_of(run), torch.linspace(-1, 1, 256)
    (extractor.extract_tensor(images) @ direction).sum().backward()
    assert images.grad is not None
    step = 1e-3 * torch.sign(images.grad)
    with torch.no_grad():
        ahead, behind = (extractor.extract_tensor(images + sign * step) @ direction for sign in (1, -1))
    change = ((ahead - behind) / 2).numpy()
    assert change == pytest.approx((images.grad * step).sum((1, 2, 3)).numpy(), rel=0.05)


def test_protected_voices_are_attacked_with_gradients_and_controls(run: Finished) -> None:
    metrics, attacked = run.found("evaluate")["verification"]["metrics"], run.found("attack")[ATTACK]
    gain, rank1, eer = (attacked["gain"], *(metrics[f"{name}_stolen_token"] for name in ("rank1", "eer")))
    for name, one in (("rank 1", rank1), ("EER", eer), ("gain", gain)):
        print(name, one["value"], one["low"], one["high"])
    print(attacked["verdict"], attacked["notes"], [(c["name"], c["path"], c["passed"]) for c in attacked["controls"]])
    assert rank1["value"] > 0.3  # chance is 1 in 15
    assert eer["value"] < 0.3
    controls = {(control["kind"], control["path"]): control["passed"] for control in attacked["controls"]}
    assert {("positive", "decoders"), ("positive", "white_box")} <= controls.keys()
    assert controls["positive", ""]  # pixels without protection are broken
    assert controls["negative", ""]  # a stranger's template is worth nothing
    assert not any(note.startswith("No search by gradients") for note in attacked["notes"])
