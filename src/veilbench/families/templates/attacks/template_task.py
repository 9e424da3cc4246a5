"""Evasion tasks for recognition: impersonate a victim, or evade recognition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from veilbench.attack_methods.evasion_task import EvasionTask
from veilbench.attack_methods.pgd import Score
from veilbench.families.templates.attacks.own_prints import score_own_features
from veilbench.families.templates.attacks.surrogate import build_cosine_score, build_exact_score, fit_features
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme, has_gradients


@dataclass(frozen=True)
class TemplateTask(EvasionTask):
    """One image per victim, whose match score should cross the system's threshold.

    Attributes:
        system: recognition system whose victims are in the order of the rows.
        sign: 1 to lower the match score (evade recognition), -1 to raise it (be accepted).
        draws: number of templates over which the match score is averaged, to estimate the expectation over the scheme's
            noise (expectation over transformation; Athalye, Engstrom, Ilyas and Kwok 2018).
        white_box: whether the score is differentiable and the threat model grants what its gradients need.
        own_images: the attacker's own images, shape (m, c, h, w), whose match scores a surrogate is fitted to; None
            for no surrogate.
        fitted_features: victims' features, fitted to those scores, shape (n, d); None without a fitted surrogate.
        starts: the attacker's own images to choose a closer start from, shape (k, c, h, w); None for no choice.
        every_image: all of the attacker's own images, shape (m, c, h, w); None if they are not known.
    """

    system: TemplateSystem
    sign: int
    draws: int
    white_box: bool
    own_images: np.ndarray | None = None
    fitted_features: np.ndarray | None = None
    starts: np.ndarray | None = None
    every_image: np.ndarray | None = None

    def score(self, device: torch.device) -> Score:
        """Return the signed match score: the fitted surrogate, the exact score, or queries, in this order."""
        scheme = self.system.scheme
        if self.fitted_features is not None:
            return self._by_surrogate(device, self.fitted_features)
        if not self.white_box or not has_gradients(scheme):
            return self._by_queries(device)
        match_score = build_exact_score(self.system, scheme, device)
        return lambda rows: self.sign * torch.stack([match_score(rows) for _ in range(self.draws)]).mean(0)

    def _by_queries(self, device: torch.device) -> Score:
        """Return the system's match scores, averaged over `draws` queries."""

        def match_score(rows: Tensor) -> Tensor:
            images = rows.detach().cpu().numpy()
            answers = np.mean([self.system.score(images) for _ in range(self.draws)], axis=0, dtype=np.float32)
            return torch.from_numpy(self.sign * answers).to(device)

        return match_score

    def subset(self, rows: np.ndarray) -> Self:
        """Return the task restricted to some of the rows, selected by a mask of shape (n,)."""
        return replace(
            self,
            rows=self.rows[rows],
            distance_to_boundary=self.distance_to_boundary[rows],
            system=self.system.subset(rows),
            fitted_features=None if self.fitted_features is None else self.fitted_features[rows],
        )

    def _by_surrogate(self, device: torch.device, fitted: np.ndarray) -> Score:
        scheme = self.system.scheme
        assert isinstance(scheme, DifferentiableScheme)
        match_score = build_cosine_score(scheme, fitted, device)
        return lambda rows: self.sign * match_score(rows)

    def surrogate(self) -> TemplateTask | None:
        """Return the same task with a surrogate score, fitted to the scores of the attacker's own images."""
        if self.white_box or self.own_images is None or not has_gradients(self.system.scheme):
            return None
        return replace(self, fitted_features=fit_features(self.system, self.own_images))

    def from_closest(self) -> TemplateTask | None:
        """Return the task with each victim's row replaced by the start with the highest match score.

        Victims who accept that image as it is are left out; None if all do, or if there is no choice.
        """
        if self.starts is None:
            return None
        scores = score_own_features(self.system, self.system.scheme.features(self.starts))
        closest, rejecting = self.starts[scores.argmax(1)], scores.max(1) < self.system.threshold
        return replace(self, rows=closest).subset(rejecting) if rejecting.any() else None

    def succeeded(self, moved: np.ndarray) -> np.ndarray:
        """Return whether the system's decision is the one wanted; shape (n,), bool."""
        return np.asarray(self.system.accepts(moved) == (self.sign < 0))
