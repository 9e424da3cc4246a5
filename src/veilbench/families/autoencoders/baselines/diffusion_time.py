"""Diffusion time estimated from the nearest training rows, without a network."""

from __future__ import annotations

import numpy as np

from veilbench.families.autoencoders.baselines.nearest_neighbours import NearestNeighbours


class DiffusionTime(NearestNeighbours):
    """Scores rows by the diffusion time at which noise would have moved a training row there: DTE-NP.

    The posterior of the noise's variance is an inverse gamma distribution (Livernoche et al. 2024, "On diffusion
    modeling for anomaly detection", section 3). Its mode is the squared distance per feature, taken as the mean
    Euclidean distance to the k nearest training rows as in the authors' code. It ranks rows exactly like that mean
    distance (Angiulli and Pizzuti 2002), which the authors say themselves.

    It stores the training rows unchanged, so the model reveals the data. A training row is its own first neighbour.

    Args:
        k: number of nearest training rows to average over.
    """

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64, a variance; higher is more anomalous."""
        return np.asarray(self.measure_distances(rows).mean(1) ** 2 / np.prod(rows.shape[1:]))
