"""Inversion: what a linear code loses is lost, noise gives nothing back, and no attacker touches the decoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from veilbench.attack_methods.inverter import fit_perceptron
from veilbench.attack_methods.ridge import STRENGTHS, ridge
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import PLATEAU, Verdict
from veilbench.families.autoencoders.attacks.inversion import Inversion
from veilbench.families.autoencoders.attacks.inverters import LEAST_CEILING
from veilbench.families.autoencoders.baselines.folded_code import FoldedCode
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.baselines.random_code import RandomCode
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.image import squared_errors

RNG = np.random.default_rng(0)
THREAT = ThreatModel(auxiliary_data=True, code_queries=True)


def dealt(shape: tuple[int, ...] = (8,)) -> Rows:
    """Six numbers of falling spread about a mean, mixed into a row; values in [0, 1] for images."""
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((6, int(np.prod(shape))))

    def part(n: int) -> Part:
        x = (rng.standard_normal((n, 6)) * [4, 3, 2, 1, 0.5, 0.2]) @ mix
        x = 1 / (1 + np.exp(-x / 8)) if len(shape) == 3 else x + 5
        return Part(x.reshape(n, *shape).astype(np.float32), np.zeros(n, np.int64))

    return Rows(part(300), part(100), part(300), part(150), [], ["row"], False, [])


class Permuted(IdentityCode):
    """The code is the row with its numbers in another, fixed order."""

    def encode(self, rows: np.ndarray) -> np.ndarray:
        codes = super().encode(rows)
        return codes[:, np.random.default_rng(7).permutation(codes.shape[1])]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        order = np.argsort(np.random.default_rng(7).permutation(codes.shape[1]))
        return super().decode(codes[:, order])


class Bent(IdentityCode):
    """The code is a fixed, invertible, nonlinear map of the numbers: rotations, each followed by a kink at zero."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth

    def _rotations(self, size: int) -> list[np.ndarray]:
        rng = np.random.default_rng(7)
        return [np.linalg.qr(rng.standard_normal((size, size)))[0] for _ in range(self.depth)]

    def encode(self, rows: np.ndarray) -> np.ndarray:
        codes = super().encode(rows).astype(np.float64) - 5
        for rotation in self._rotations(codes.shape[1]):
            codes = codes @ rotation
            codes = np.where(codes > 0, codes, -3 - 0.2 * codes**2 + 0.2 * codes)
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        for rotation in reversed(self._rotations(codes.shape[1])):
            root = (0.2 - np.sqrt(0.04 - 0.8 * np.minimum(codes + 3, 0))) / 0.4
            codes = np.where(codes > 0, codes, root) @ rotation.T
        return super().decode(codes + 5)


class Faint(Pca):
    """The code is the last of the components, which tells hardly anything."""

    def __init__(self) -> None:
        super().__init__(5)

    def encode(self, rows: np.ndarray) -> np.ndarray:
        return super().encode(rows)[:, 2:3]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return super().decode(np.pad(codes, ((0, 0), (2, 2))))


class NoDecoder(Pca):
    """Its code is bent, and its decoder gives zeros."""

    def encode(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.sinh(super().encode(rows) / 4))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return np.zeros((len(codes), *self["mean"].shape), np.float32)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return dealt()


def small(threat: ThreatModel = THREAT, **settings: Any) -> Inversion:
    budget = {"attackers": ["linear"], "hidden": 64, "steps": 800, "sizes": [20, 300]}
    return Inversion(threat, IdentityCode(), RandomCode(8), **budget | settings)


def run(attack: Inversion, target: Any, rows: Rows, seed: int = 0) -> Findings:
    fitted = target.fit(rows, np.random.default_rng(seed))
    return attack.run(fitted, rows, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def examined(attack: Inversion, target: Any, rows: Rows, folder: Path) -> Findings:
    fitted = target.fit(rows, np.random.default_rng(0))
    return attack.examine(fitted, rows, Accelerator("cpu"), np.random.SeedSequence(1), ControlMemory(folder, None))


def test_a_full_code_is_inverted_with_both_controls_passed(rows: Rows, tmp_path: Path) -> None:
    found = examined(small(attackers=["linear", "mlp"]), Pca(6), rows, tmp_path)
    assert [(c.kind, c.name, c.passed) for c in found.controls] == [
        ("positive", "IdentityCode", True),
        ("positive", "FoldedCode", True),
        ("negative", "RandomCode", True),
    ]
    assert found.controls[0].gain.value > 0.999
    assert abs(found.controls[2].gain.value) < 0.1
    assert found.verdict is Verdict.BROKEN


def test_noise_holds_for_attackers_who_invert_nonlinear_codes_too(rows: Rows, tmp_path: Path) -> None:
    assert examined(small(attackers=["linear", "mlp"]), RandomCode(4), rows, tmp_path).verdict is Verdict.HOLDS
    linear = examined(small(), RandomCode(4), rows, tmp_path)  # these have not been shown to invert a nonlinear code
    assert linear.verdict is Verdict.INCONCLUSIVE
    assert "nonlinear codes, FoldedCode" in linear.reason


@pytest.mark.parametrize("target", [IdentityCode(), Permuted(), Bent(depth=1), Bent(depth=3)])
def test_no_invertible_map_of_the_pixels_holds(rows: Rows, target: Representation, tmp_path: Path) -> None:
    """The code tells everything; the linear maps are broken, and the others are never said to hold."""
    found = examined(small(attackers=["linear", "mlp"], steps=400, sizes=[300]), target, rows, tmp_path)
    np.testing.assert_allclose(target.fit(rows, RNG).reconstruct(rows.test.x), rows.test.x, rtol=1e-3, atol=1e-3)
    assert found.verdict in ((Verdict.BROKEN, Verdict.LEAKS) if isinstance(target, Bent) else (Verdict.BROKEN,))


def test_the_gain_is_a_share_of_what_the_models_own_decoder_recovers(rows: Rows) -> None:
    """Two of six components: the other four are lost to everybody, and what is left is read as a whole."""
    found = run(small(), Pca(2), rows)
    wrong = {name: found.metrics[f"mse_{name}"].value for name in ("linear_300", "own_decoder", "mean_row")}
    best = min(wrong["linear_300"], wrong["own_decoder"])
    assert found.gain is not None
    shares = (wrong["mean_row"] - wrong["linear_300"]) / (wrong["mean_row"] - best)
    assert found.gain.value == pytest.approx(shares, abs=0.01)
    assert found.gain.value > 0.98 > found.metrics["recovered"].value
    assert found.metrics["recovered_by_best_decoder"].value == pytest.approx(1 - best / wrong["mean_row"], abs=1e-3)


def test_a_decoder_that_recovers_little_counts_as_recovering_half(rows: Rows) -> None:
    """A code for next to nothing is not broken, although an attacker recovers all that it tells."""
    found = run(small(), Faint(), rows)
    assert found.metrics["recovered"].value == pytest.approx(found.metrics["recovered_by_best_decoder"].value, abs=0.01)
    assert found.gain is not None
    assert found.gain.value == pytest.approx(found.metrics["recovered"].value / LEAST_CEILING)
    assert found.gain.value < 0.2


def test_the_last_doublings_of_rows_and_steps_are_reported(rows: Rows, tmp_path: Path) -> None:
    short = examined(small(attackers=["mlp"], steps=50, sizes=[300]), Bent(depth=1), rows, tmp_path)
    assert short.metrics["rise_by_doubling_steps"].value > PLATEAU
    assert "budget in doubt" in short.doubt
    linear = run(small(sizes=[60, 300]), Pca(6), rows)
    assert linear.budget is not None
    assert (linear.budget.setting, list(linear.budget.budgets)) == ("auxiliary rows", [60, 150, 300])
    assert linear.metrics["rise_by_doubling_rows"].value == pytest.approx(
        linear.budget.gains[2] - linear.budget.gains[1]
    )


@pytest.mark.parametrize("code", [1, 2, 4])
def test_a_linear_code_gives_back_the_variance_of_its_components(rows: Rows, code: int) -> None:
    found = run(small(), Pca(code), rows)
    pca = Pca(code).fit(rows, np.random.default_rng(0))
    centre = np.concatenate([rows.auxiliary.x, rows.validation.x]).mean(0)
    wanted = 1 - ((rows.test.x - pca.reconstruct(rows.test.x)) ** 2).sum() / ((rows.test.x - centre) ** 2).sum()
    assert found.metrics["recovered"].value == pytest.approx(wanted, abs=0.01)
    own = found.metrics["variance_explained_own_decoder"].value
    assert own == pytest.approx(found.metrics["variance_explained_linear_300"].value, abs=0.01)
    assert found.metrics["variance_explained_mean_row"].value == pytest.approx(0, abs=0.02)


def test_the_victims_decoder_is_not_needed_and_a_bent_code_wants_a_perceptron(rows: Rows) -> None:
    found = run(small(attackers=["linear", "mlp"], steps=800), NoDecoder(4), rows)
    linear, mlp = (found.metrics[f"variance_explained_{kind}_300"].value for kind in ("linear", "mlp"))
    assert found.metrics["variance_explained_own_decoder"].value < 0
    assert mlp > linear + 0.02
    assert mlp > 0.9
    assert any("as a share of what mlp_300 recovers" in note for note in found.notes)
    assert found.gain is not None
    assert found.gain.value == 1  # no decoder is better
    assert found.metrics["recovered"].value == pytest.approx(mlp, abs=0.02)


def test_more_data_helps_and_more_than_there_is_means_all(rows: Rows) -> None:
    found = run(small(sizes=[5, 60, 9999]), Pca(6), rows)
    curve = found.figures[0].curves[0]
    assert list(curve.x) == [5, 60, 150, 300]  # half of the largest is added
    assert curve.y[0] < curve.y[1] <= curve.y[2] <= curve.y[3] + 1e-9
    assert any("300 auxiliary rows at most, not 9999" in note for note in found.notes)


def test_the_same_seed_gives_the_same_findings(rows: Rows) -> None:
    attack = small(attackers=["mlp"], steps=50, sizes=[50])
    one, again, other = (run(attack, Pca(2), rows, seed).as_dict() for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_images_get_a_picture_and_decibels() -> None:
    images = dealt((1, 6, 6))
    found = run(small(), Pca(3), images)
    assert (
        found.pictures[0].description == "rows from above: input; linear_300; nearest_code; own_decoder; nearest_image"
    )
    wrong = squared_errors(Pca(3).fit(images, np.random.default_rng(0)).reconstruct(images.test.x), images.test.x)
    assert found.metrics["psnr_own_decoder"].value == pytest.approx(float((-10 * np.log10(wrong)).mean()))
    assert found.metrics["mse_nearest_image"].value <= found.metrics["mse_nearest_code"].value


@pytest.mark.parametrize("flag", ["ciphertext", "auxiliary_data", "code_queries"])
def test_what_is_not_granted_is_refused(rows: Rows, flag: str) -> None:
    granted = {"ciphertext": True, "auxiliary_data": True, "code_queries": True} | {flag: False}
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        run(small(ThreatModel(**granted)), Pca(2), rows)


def test_an_attack_that_makes_no_control_of_its_own_needs_one(rows: Rows, tmp_path: Path) -> None:
    attack = small(sizes=[10])
    attack.negative = None
    with pytest.raises(UserError, match="Inversion of codes needs a negative control"):
        examined(attack, Pca(2), rows, tmp_path)


def test_ridge_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    codes, rows = 3 * rng.standard_normal((40, 5)) + 1, rng.standard_normal((40, 7))
    rows[:, :5] += 0.3 * codes
    inverse, error = ridge(codes[:30], rows[:30], codes[30:], rows[30:])
    centre, scale = codes[:30].mean(0), codes[:30].std(0)
    theirs = []
    for strength in STRENGTHS:
        model = Ridge(alpha=30 * strength).fit((codes[:30] - centre) / scale, rows[:30])
        theirs.append(model.predict((codes[30:] - centre) / scale))
    errors = [((made - rows[30:]) ** 2).mean() for made in theirs]
    assert error == pytest.approx(min(errors))
    np.testing.assert_allclose(inverse(codes[30:]), theirs[int(np.argmin(errors))], rtol=1e-6)
    assert 0 < int(np.argmin(errors)) < len(STRENGTHS) - 1


def test_a_constant_code_gives_the_mean_row_and_more_numbers_than_rows_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20, 3))
    inverse, _ = ridge(np.ones((20, 2)), rows, np.ones((5, 2)), rows[:5])
    np.testing.assert_allclose(inverse(np.ones((1, 2)))[0], rows.mean(0))
    wide = rng.standard_normal((20, 50))
    assert np.isfinite(ridge(wide, rows, wide[:5], rows[:5])[1])


def test_the_perceptron_keeps_what_did_best_on_held_out_rows() -> None:
    """Codes that say nothing: whoever trains on ends up worse than the mean row."""
    rng = np.random.default_rng(0)
    codes, rows, place = rng.standard_normal((60, 4)), rng.standard_normal((60, 3)), Accelerator("cpu")
    pairs = (codes[:40], rows[:40], codes[40:], rows[40:])
    short, long = (fit_perceptron(*pairs, 32, steps, place, np.random.default_rng(1)) for steps in (25, 5000))
    assert long.error == pytest.approx(short.error)  # the first look was the best one
    assert short.errors == pytest.approx({25: short.error})
    assert set(long.errors.values()) == {long.errors[25]}
    assert max(long.errors) == 250  # it stops at 2 * 25 + 200 steps: doubling them has brought nothing


def test_the_gain_is_over_what_the_attacker_knows_without_a_code(rows: Rows) -> None:
    """The hidden rows lie elsewhere than the auxiliary ones, whose mean the attacker would guess."""
    shifted = replace(rows, test=Part(rows.test.x + np.float32(6), rows.test.y))
    found = run(small(), Pca(2), shifted)
    wrong, guessed = found.metrics["mse_linear_300"].value, found.metrics["mse_mean_row"].value
    known = np.concatenate([rows.auxiliary.x, rows.validation.x]).mean(0)
    assert guessed == pytest.approx(float(((shifted.test.x - known) ** 2).mean()), rel=1e-5)
    assert found.metrics["recovered"].value == pytest.approx(1 - wrong / guessed)
    assert abs(found.metrics["recovered"].value - found.metrics["variance_explained_linear_300"].value) > 0.1


def test_a_control_of_few_components_fits_rows_of_few_numbers() -> None:
    narrow = dealt((3,))
    cases = small().control_cases(Pca(1), narrow)
    assert [(case.kind, case.path) for case in cases] == [
        ("positive", "linear codes"),
        ("positive", "nonlinear codes"),
        ("negative", ""),
    ]
    assert cases[1].scheme is not None
    folded = cases[1].scheme.fit(narrow, RNG)
    assert isinstance(folded, FoldedCode)
    codes = folded.encode(narrow.test.x)
    assert codes.shape == (150, 6)
    assert (codes[:, :3] >= 0).all()
    np.testing.assert_allclose(folded.decode(codes), narrow.test.x, atol=1e-3)
