"""Synthetic prints: repeatable one by one, alike within a finger but not too alike, and of the shape they claim."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from veilbench.families.templates.data.prints.fields import PATTERNS, draw_anatomy, ridge_orientation
from veilbench.families.templates.data.prints.generator import Prints
from veilbench.families.templates.data.prints.ridges import EXTENT, PERIODS, PIXELS, pixel_coordinates
from veilbench.families.templates.data.prints.sensor import Sensor
from veilbench.families.templates.data.raw_identities import RawIdentities
from veilbench.families.templates.schemes.image_extractor import compute_orientations

STILL = Sensor(0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def prints() -> RawIdentities:
    return Prints(Sensor(), identities=40, impressions=4, seed=3).read()


def best_correlations(images: np.ndarray, most: int) -> np.ndarray:
    """Normalised correlation of every pair of images, at the best shift of at most `most` pixels each way."""
    flat = images[:, 0].astype(float)
    flat -= flat.mean((1, 2), keepdims=True)
    flat /= np.linalg.norm(flat, axis=(1, 2), keepdims=True)
    waves = np.fft.rfft2(flat)
    shifts = np.r_[-most : most + 1]
    best = np.empty((len(flat), len(flat)))
    for i, wave in enumerate(waves):
        maps = np.fft.irfft2(wave.conj() * waves, s=flat.shape[1:])
        best[i] = maps[:, shifts][:, :, shifts].max((1, 2))
    return best


def equal_error_rate(scores: np.ndarray, genuine: np.ndarray) -> float:
    accepted, found, _ = roc_curve(genuine, scores)
    return float(accepted[np.argmin(np.abs(accepted - (1 - found)))])


def test_a_plain_correlation_tells_fingers_apart_but_not_perfectly(prints: RawIdentities) -> None:
    scores = best_correlations(prints.samples, 8)
    first, second = np.triu_indices(len(scores), 1)
    genuine = prints.identities[first] == prints.identities[second]
    eer = equal_error_rate(scores[first, second], genuine)
    print(f"EER of a plain correlation matcher: {eer:.3f}")
    assert 0.02 < eer < 0.35


def test_a_finger_does_not_depend_on_the_others(prints: RawIdentities) -> None:
    fewer = Prints(Sensor(), identities=3, impressions=2, seed=3).read()
    for place in range(len(fewer.samples)):
        same = (prints.identities == fewer.identities[place]) & (prints.impressions == fewer.impressions[place])
        assert same.sum() == 1
        assert (prints.samples[same][0] == fewer.samples[place]).all()
        assert (prints.attributes["pattern"][same] == fewer.attributes["pattern"][place]).all()
    other = Prints(Sensor(), identities=3, impressions=2, seed=4).read()
    assert (other.samples != fewer.samples).any((1, 2, 3)).all()


def test_a_twin_has_the_same_directions_and_other_ridges() -> None:
    """Correlations of the master prints' orientation features and of the ridges themselves, over ten fingers."""
    fingers = [(Prints(STILL).generate_finger(i)[0], Prints(STILL).generate_finger(i, twin=True)[0]) for i in range(10)]
    other = [second for _, second in fingers[1:] + fingers[:1]]
    fields = [[compute_orientations(ridges[None], 12).ravel() for ridges in pair] for pair in fingers]
    strangers = [compute_orientations(ridges[None], 12).ravel() for ridges in other]
    alike = [np.corrcoef(*pair)[0, 1] for pair in fields]
    unlike = [np.corrcoef(pair[0], stranger)[0, 1] for pair, stranger in zip(fields, strangers, strict=True)]
    ridges = [np.corrcoef(first.ravel(), second.ravel())[0, 1] for first, second in fingers]
    assert min(alike) > 0.9
    assert np.mean(unlike) < 0.8
    assert np.abs(ridges).max() < 0.2


def test_twins_have_their_originals_numbers_and_labels_and_change_nothing_else(prints: RawIdentities) -> None:
    source = Prints(Sensor(), identities=40, impressions=4, seed=3, twins=3)
    twins = source.generate_twins(np.array([7, 2]))
    assert twins is not None
    assert twins.identities.tolist() == [7, 7, 7, 2, 2, 2]
    assert twins.impressions.tolist() == [0, 1, 2, 0, 1, 2]
    for name, labels in twins.attributes.items():
        assert (labels == prints.attributes[name][4 * twins.identities]).all()
    assert (source.read().samples == prints.samples).all()
    everything = np.concatenate([prints.samples, twins.samples])
    assert len({image.tobytes() for image in everything}) == len(everything)
    assert Prints(Sensor(), twins=0).generate_twins(np.array([7, 2])) is None
    more = source.generate_twins(np.array([7]), 5)
    assert more is not None
    assert more.impressions.tolist() == [0, 1, 2, 3, 4]
    assert (more.samples[:3] == twins.samples[:3]).all()


def test_no_two_images_are_the_same(prints: RawIdentities) -> None:
    assert len({image.tobytes() for image in prints.samples}) == len(prints.samples)


@pytest.mark.parametrize(
    "amount", ["rotation", "translation", "distortion", "pressure", "partial", "noise", "scratches"]
)
def test_each_amount_moves_the_impressions_and_nothing_else_does(amount: str) -> None:
    fixed = dict.fromkeys(("rotation", "translation", "distortion", "pressure", "partial", "noise", "scratches"), 0.0)
    still = Prints(Sensor(**fixed), identities=1, impressions=3).read().samples.astype(float)
    assert (still[0] == still[1:]).all()
    moved = Prints(Sensor(**fixed | {amount: getattr(Sensor(), amount)}), identities=1, impressions=3)
    changes = np.abs(moved.read().samples.astype(float) - still)
    assert changes.mean((1, 2, 3)).max() > 0.5


@pytest.mark.parametrize("size", [32, 96, 200])
def test_a_larger_sensor_shows_the_same_finger(size: int) -> None:
    from skimage.transform import resize

    (image,) = Prints(STILL, identities=1, impressions=1, size=size, seed=5).read().samples
    (usual,) = Prints(STILL, identities=1, impressions=1, seed=5).read().samples
    assert image.shape == (1, size, size)
    scaled = resize(usual[0].astype(float), (size, size), anti_aliasing=True)
    assert np.corrcoef(scaled.ravel(), image[0].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("density", range(3))
def test_the_ridges_have_the_distance_of_their_class(density: int) -> None:
    classes = np.eye(3)[density]
    ridges = Prints(STILL, densities=classes.tolist()).generate_finger(1)[0]
    power = np.abs(np.fft.fftshift(np.fft.fft2(ridges))) ** 2
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftshift(np.fft.fftfreq(PIXELS))] * 2))
    found = 1 / np.average(frequency[frequency < 0.3], weights=power[frequency < 0.3])
    assert found == pytest.approx(PERIODS[density], rel=0.12)


def test_shares_of_patterns_and_densities_are_heeded() -> None:
    many = Prints(STILL, patterns=(0.0, 0.25, 0.75), densities=(0.0, 0.0, 1.0))
    drawn_patterns = []
    for identity in range(200):
        rng = np.random.default_rng([many.seed, identity])
        drawn_patterns.append(int(rng.choice(3, p=many.patterns)))
    assert np.bincount(drawn_patterns, minlength=3)[0] == 0
    assert 100 < np.bincount(drawn_patterns)[2] < 190
    assert many.generate_finger(0)[2] == 2


@pytest.mark.parametrize(("pattern", "turns"), [("arch", 0.0), ("loop", 0.5), ("whorl", 1.0)])
def test_the_field_turns_around_cores_and_deltas_as_it_must(pattern: str, turns: float) -> None:
    """The Poincare index: the field's whole turn along a circle, half a turn for each core less each delta."""
    finger = draw_anatomy(pattern, np.random.default_rng(2))

    def index(centre: complex, radius: float) -> float:
        circle = centre + radius * np.exp(1j * np.linspace(0, 2 * np.pi, 2001))
        doubled = np.unwrap(2 * ridge_orientation(finger, circle.real[None], circle.imag[None])[0])
        return float((doubled[-1] - doubled[0]) / 2 / (2 * np.pi))

    assert sum(index(core, 0.02) for core in finger.cores) == pytest.approx(turns, abs=0.02)
    assert sum(index(delta, 0.02) for delta in finger.deltas) == pytest.approx(-turns, abs=0.02)
    assert index(0, 3.0) == pytest.approx(0, abs=0.02)
    assert draw_anatomy(pattern, np.random.default_rng(2)).pattern in PATTERNS


def test_the_ridges_run_along_the_field() -> None:
    rng = np.random.default_rng(7)
    from veilbench.families.templates.data.prints.ridges import grow_ridges

    finger = draw_anatomy("loop", rng)
    ridges = grow_ridges(finger, 1, rng)
    down, right = np.gradient(ridges.astype(float))
    x, y = pixel_coordinates()
    along = ridge_orientation(finger, x, y)
    steepness = right * np.cos(along) - down * np.sin(along), right * np.sin(along) + down * np.cos(along)
    inner = np.hypot(x, y) < 1
    assert (steepness[0] ** 2)[inner].mean() < 0.2 * (steepness[1] ** 2)[inner].mean()
    assert x.max() == pytest.approx(EXTENT * (1 - 1 / PIXELS))


def test_each_pixel_is_filtered_with_its_own_kernel() -> None:
    from scipy.ndimage import correlate

    from veilbench.families.templates.data.prints.kernels import filter_pixels

    rng = np.random.default_rng(3)
    image, bank = rng.standard_normal((20, 20), np.float32), rng.standard_normal((4, 5, 5), np.float32)
    which, out = rng.integers(4, size=(20, 20)), np.empty((20, 20), np.float32)
    filter_pixels(np.pad(image, 2, "reflect"), which, bank, out)
    by_scipy = np.stack([correlate(image.astype(float), kernel, mode="mirror") for kernel in bank])
    np.testing.assert_allclose(out, np.take_along_axis(by_scipy, which[None], 0)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"patterns": (0.5, 0.5)}, "patterns"),
        ({"densities": (0.5, 0.4, 0.3)}, "densities"),
        ({"patterns": (-0.5, 1.0, 0.5)}, "patterns"),
    ],
)
def test_bad_shares_are_refused(settings: dict[str, tuple[float, ...]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Prints(STILL, **settings)  # type: ignore[arg-type]


def test_a_sensor_that_shows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="partial"):
        Sensor(partial=1.0)
