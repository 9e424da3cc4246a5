"""Denoising autoencoder whose anomaly score also measures the distance to training rows."""

from __future__ import annotations

from veilbench.bench.limits import Count, LearningRate, NotNegative, Steps
from veilbench.families.autoencoders.modules.autoencoder import Autoencoder, Corruption
from veilbench.families.autoencoders.nets.autoencoder_net import Architecture
from veilbench.families.autoencoders.schemes.autoencoder import CodedRows
from veilbench.families.autoencoders.schemes.neighbour_detector import NeighbourDetector


class NeighbourAutoencoder(Autoencoder):
    """Trains an autoencoder on rows, and keeps these rows for `NeighbourDetector`.

    The trained model contains its training rows. It scores rows, and gives out neither codes nor reconstructions.

    Args:
        net: architecture of encoder and decoder.
        neighbours: number of nearest training rows whose squared distances are averaged; at most the training rows.
        corruption: corruption of the encoder's input, redrawn at every step (Vincent et al. 2008); None uses clean
            input.
        learning_rate: initial learning rate of AdamW; it falls to zero along half a cosine.
        weight_decay: weight decay of AdamW, relative to the learning rate.
        patience: number of calls of `training_step` without a better validation loss after which training stops; None
            runs all steps.
    """

    trained_kind = NeighbourDetector

    def __init__(
        self,
        net: Architecture,
        neighbours: Count = 5,
        corruption: Corruption | None = None,
        learning_rate: LearningRate = 2e-3,
        weight_decay: NotNegative = 0.0,
        patience: Steps | None = None,
    ) -> None:
        super().__init__(
            net,
            "mse",
            corruption=corruption,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            patience=patience,
        )
        self.neighbours = neighbours

    def trained_model(self) -> NeighbourDetector:  # type: ignore[override]  # it has no codes to give out
        """Return the trained model with its best weights and training rows: all, or a sample if they are on disk."""
        self.net.load_state_dict(self.best_state)
        coded = CodedRows.fit_score(self.net.cpu(), "error", self.rows.train.x)
        return NeighbourDetector.keep_rows(coded, self.rows.gathered().train.x, self.neighbours)
