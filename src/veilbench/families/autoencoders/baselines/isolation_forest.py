"""Anomaly scores from how few random cuts isolate a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import Shape, require_array
from veilbench.bench.limits import Count
from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector

LEAF, AT_ONCE = -1, 10_000  # index of a missing node; rows scored at once, to bound the memory


class IsolationForest(Fitted, Detector):
    """An isolation forest (Liu et al. 2008), fitted by scikit-learn and stored as arrays of cuts.

    Args:
        trees: number of trees, each fitted to at most 256 training rows.
    """

    array_names = ("feature", "threshold", "below", "above", "depth", "usual")

    def __init__(self, trees: Count = 100) -> None:
        super().__init__()
        self.trees = trees

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"trees": self.trees}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return arrays of shape (trees, nodes): features, thresholds, child nodes, and depths at leaves.

        `usual`, shape (1,), is the depth of an unsuccessful search among as many rows as a tree is fitted to.
        """
        from sklearn import ensemble

        forest = ensemble.IsolationForest(n_estimators=self.trees, random_state=int(rng.integers(2**31)))
        forest.fit(flatten(rows.train.x))
        trees = [one.tree_ for one in forest.estimators_]
        arrays = {
            "feature": _pad([tree.feature for tree in trees]),
            "threshold": _pad([tree.threshold for tree in trees]),
            "below": _pad([tree.children_left for tree in trees]),
            "above": _pad([tree.children_right for tree in trees]),
            "depth": _pad([_depths(tree) for tree in trees]),
        }
        return arrays | {"usual": mean_search_depth(np.array([forest.max_samples_]))}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"depth": (self.trees, None), "threshold": (self.trees, None), "usual": (1,)}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array is invalid; children must follow their node, so that paths end."""
        super().check_arrays(row)
        shape = (self.trees, nodes := self["depth"].shape[1])
        require_array(self.fitted_arrays, "depth", np.floating, shape, low=LEAF)
        require_array(self.fitted_arrays, "threshold", np.floating, shape)
        require_array(self.fitted_arrays, "usual", np.floating, (1,), low=0)
        inner = require_array(self.fitted_arrays, "below", np.integer, shape, low=LEAF, high=nodes - 1) != LEAF
        features = require_array(self.fitted_arrays, "feature", np.integer, shape, high=math.prod(row) - 1)
        if (features[inner] < 0).any():
            raise ValueError("feature holds numbers below 0 at nodes that are cut")
        for name in ("below", "above"):
            children = require_array(self.fitted_arrays, name, np.integer, shape, low=LEAF, high=nodes - 1)
            if (children[inner] <= np.broadcast_to(np.arange(nodes), shape)[inner]).any():
                raise ValueError(f"{name} holds a node that does not come after the one above it")

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows by equation 2 of Liu et al. 2008, in (0, 1]; higher is more anomalous."""
        parts = [self._score(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]
        return np.concatenate(parts)

    def _score(self, rows: np.ndarray) -> np.ndarray:
        x = rows.reshape(len(rows), -1).astype(np.float32)  # the type that the trees compare
        places, tree = np.arange(len(x))[:, None], np.arange(self.trees)[None, :]
        node = np.zeros((len(x), self.trees), np.int64)
        while (inner := self["below"][tree, node] != LEAF).any():
            goes_below = x[places, self["feature"][tree, node]] <= self["threshold"][tree, node]
            following = np.where(goes_below, self["below"][tree, node], self["above"][tree, node])
            node = np.where(inner, following, node)
        depths = self["depth"][tree, node].mean(1)
        return np.asarray(2.0 ** (-depths / max(float(self["usual"][0]), 1.0)))


def _pad(arrays: list[np.ndarray]) -> np.ndarray:
    longest = max(map(len, arrays))
    return np.stack([np.pad(array, (0, longest - len(array)), constant_values=LEAF) for array in arrays])


def _depths(tree: Any) -> np.ndarray:
    """Return the cuts above each node, plus the mean number of further cuts that would isolate its rows."""
    cuts = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # a node's children come after it
        if tree.children_left[node] != LEAF:
            cuts[[tree.children_left[node], tree.children_right[node]]] = cuts[node] + 1
    return np.asarray(cuts + mean_search_depth(tree.n_node_samples))


def mean_search_depth(n: np.ndarray) -> np.ndarray:
    """Return the mean depth of an unsuccessful search in a binary tree of n rows (equation 1 of Liu et al. 2008)."""
    more = np.maximum(n, 3).astype(np.float64)
    long = 2 * (np.log(more - 1) + np.euler_gamma) - 2 * (more - 1) / more
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, long))
