"""What a data set, a model, a training and an evaluation are to the pipeline, and what they declare of each other.

Each declares the kinds of objects that it takes and gives. `compatibility` compares them while an experiment is
composed, before anything is prepared or trained. An attack's contract is `bench.attack.Attack`, and that of a trained
model `bench.trained_model.TrainedModel`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from veilbench.bench.trained_model import TrainedModel

if TYPE_CHECKING:
    from veilbench.bench.accelerator import Accelerator
    from veilbench.bench.findings import Findings

Kinds = type | tuple[type, ...]


class DataSet(ABC):
    """Reads or makes data, and loads what it prepared.

    Attributes:
        data_kind: the class of what `load` returns.
    """

    data_kind: ClassVar[type]

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write the prepared data into an existing, empty folder."""

    @abstractmethod
    def load(self, folder: Path) -> Any:
        """Read what `prepare` wrote."""


class Trainable(ABC):
    """A model that is trained by gradient steps; a LightningModule, except where its training says otherwise.

    Attributes:
        data_kind: the class of the data that `start` takes.
        trained_kind: the class of what `model` returns.
    """

    data_kind: ClassVar[type]
    trained_kind: ClassVar[type[TrainedModel]]

    @abstractmethod
    def start(self, data: Any, seeds: np.random.SeedSequence) -> Any:
        """Draw keys and first weights.

        Args:
            data: prepared data of the class `data_kind`.
            seeds: everything random is drawn from them.

        Returns:
            The training rows, in the form that the training hands on in batches.
        """

    @abstractmethod
    def trained_model(self) -> TrainedModel:
        """What the later stages examine: plain arrays and settings."""

    def lacks(self) -> Mapping[str, str]:
        """Methods and other abilities that the trained model will not have with these settings, with the reasons."""
        return {}


class Training(ABC):
    """Fits a model.

    Attributes:
        model_kind: the models that it fits.
        data_needs: attributes that the data must have.
        provides: abilities that it gives the trained model, whatever the model says that it lacks.
        watch: called while training with the steps done and the curves' latest values; what it raises ends the
            training. None where nobody watches.
        watchable: whether it calls `watch`.
    """

    model_kind: ClassVar[Kinds]
    data_needs: ClassVar[tuple[str, ...]] = ()
    provides: ClassVar[tuple[str, ...]] = ()
    watchable: ClassVar[bool] = False
    watch: Callable[[int, dict[str, float]], None] | None = None

    @abstractmethod
    def fit(
        self, module: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Fit the model.

        Args:
            module: a model of the class `model_kind`.
            data: prepared data, as the model takes it.
            trainer: where to compute.
            seeds: everything random is drawn from them.
            folder: an existing folder, for weights.

        Returns:
            The trained model, and its learning curves.
        """

    def forget(self) -> None:
        """Remove what an interrupted training would have gone on from; called once the record is written."""
        return None


class Examiner(ABC):
    """What evaluations and attacks declare of the model and the data that they examine.

    Attributes:
        data_kind: the class of the data.
        target_kind: the class, or the classes, of trained models; one of them is enough.
        target_needs: methods and other abilities that a trained model must have: see `Trainable.lacks`.
    """

    data_kind: ClassVar[type]
    target_kind: ClassVar[Kinds]
    target_needs: ClassVar[tuple[str, ...]] = ()


class Evaluation(Examiner):
    """Measures what a trained model is good for."""

    @abstractmethod
    def examine(self, model: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Measure.

        Args:
            model: the trained model.
            data: prepared data.
            trainer: where to compute.
            seeds: everything random is drawn from them.

        Raises:
            NotImplementedError: the model or the data lack what is measured, which only these very data could show.
        """


class Tracker(ABC):
    """Publishes records."""

    @abstractmethod
    def publish(self, config: dict[str, Any], records: Path) -> str | None:
        """Publish the record of one experiment, or do nothing if it is there already.

        Args:
            config: the resolved experiment.
            records: the folder with one folder per stage.

        Returns:
            An id of what was published; None where nothing was.
        """
