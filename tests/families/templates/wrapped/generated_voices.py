"""Generated voices: harmonics of a pitch through the resonances of a vocal tract, different for each speaker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

RATE, SECONDS, FRAMES = 16_000, 0.45, 40
VOWELS = np.array(  # four formants in Hz; the first three after Peterson and Barney (1952), Table II
    [[730, 1090, 2440, 3400], [270, 2290, 3010, 3600], [300, 870, 2240, 3300], [530, 1840, 2480, 3500]]
)


@dataclass(frozen=True)
class Speaker:
    """What a speaker's utterances share: pitch in Hz, scale of all formants, decay of the harmonics, and breath."""

    pitch: float
    tract: float
    tilt: float
    breath: float


def draw_speaker(rng: np.random.Generator) -> Speaker:
    return Speaker(rng.uniform(85, 260), rng.uniform(0.8, 1.25), rng.uniform(0.6, 1.6), rng.uniform(0.002, 0.05))


def speak(speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Return an utterance of four vowels in random order, at -30 dB of full scale, float32."""
    count = int(SECONDS * RATE)
    times = np.arange(count) / RATE
    melody = 1 + 0.05 * np.sin(2 * np.pi * (rng.uniform(1, 3) * times + rng.random()))
    phase = 2 * np.pi * np.cumsum(speaker.pitch * melody) / RATE
    harmonics = range(1, int(0.45 * RATE / speaker.pitch / 1.05))
    source = sum(np.cos(k * phase) / k**speaker.tilt for k in harmonics) + speaker.breath * rng.normal(size=count)
    said = zip(np.array_split(source, len(VOWELS)), rng.permutation(len(VOWELS)), strict=True)
    wave = np.concatenate([_resonate(part, speaker.tract * VOWELS[vowel]) for part, vowel in said])
    return np.asarray(wave * 10 ** (-30 / 20) / np.sqrt(np.mean(wave**2)), np.float32)


def _resonate(source: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Filter a source by two poles for each formant, with a bandwidth of 80 Hz."""
    for formant in formants:
        radius = np.exp(-np.pi * 80 / RATE)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2]
        source = lfilter([sum(poles)], poles, source)
    return source / np.sqrt(np.mean(source**2))
