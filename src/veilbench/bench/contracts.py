"""Base classes of data sets, models, trainings, evaluations and trackers.

Each class declares the kinds of objects that it takes and returns. `compatibility` compares these declarations while an
experiment is composed, before anything is prepared or trained. The base class of attacks is `bench.attack.Attack`, that
of trained models `bench.trained_model.TrainedModel`.
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
    """Reads or generates data, and loads the data that it prepared.

    Attributes:
        data_kind: the class of the object that `load` returns.
    """

    data_kind: ClassVar[type]

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write the prepared data into an existing, empty folder."""

    @abstractmethod
    def load(self, folder: Path) -> Any:
        """Read what `prepare` wrote."""

    def describe_inputs(self, folder: Path) -> Mapping[str, Any]:
        """Return how new inputs become what a model of this data takes; the stage `train` keeps it beside the model.

        Args:
            folder: the folder that `prepare` wrote.

        Returns:
            Columns, scaling and the like, in types that JSON can hold; empty if there is nothing to know.
        """
        return {}


class Trainable(ABC):
    """A model that is trained by gradient steps: a LightningModule, unless its training expects something else.

    Attributes:
        data_kind: the class of the data that `start` takes.
        trained_kind: the class of the object that `trained_model` returns.
    """

    data_kind: ClassVar[type]
    trained_kind: ClassVar[type[TrainedModel]]

    @abstractmethod
    def start(self, data: Any, seeds: np.random.SeedSequence) -> Any:
        """Draw keys and initial weights.

        Args:
            data: prepared data of the class `data_kind`.
            seeds: source of all randomness.

        Returns:
            The training rows, in the form from which the training forms batches.
        """

    @abstractmethod
    def trained_model(self) -> TrainedModel:
        """Return the model that the later stages examine: plain arrays and settings."""

    def lacks(self) -> Mapping[str, str]:
        """Return the operations that the trained model will not have with these settings, each with the reason."""
        return {}


class UserModel(ABC):
    """A model in the form in which users write it: a short contract that a family turns into one of its own models."""

    @abstractmethod
    def as_model(self) -> Trainable | TrainedModel:
        """Return the model that the stages work with."""


class Training(ABC):
    """Fits a model.

    Attributes:
        model_kind: the class, or classes, of the models that it fits.
        data_needs: names of the attributes that the data must have.
        provides: operations that the trained model gets from this training, even if `Trainable.lacks` lists them.
        watch: called during training with the step count and the latest values of the curves; an exception ends the
            training. None to call nothing.
        watchable: whether this training calls `watch`.
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
            trainer: device, threads and workers to compute with.
            seeds: source of all randomness.
            folder: an existing folder, for weights.

        Returns:
            The trained model, and its learning curves.
        """

    def forget(self) -> None:
        """Remove the files from which an interrupted training would resume; called once the record is written."""
        return None


class Examiner(ABC):
    """The declarations of evaluations and attacks about the model and the data that they examine.

    Attributes:
        data_kind: the class of the data.
        target_kind: the class of trained models that it examines, or a tuple of alternatives.
        target_needs: operations that the trained model must have, see `Trainable.lacks`.
        reads_in_parts: whether it takes data on disk as it is; otherwise it gets a random sample in memory.
    """

    data_kind: ClassVar[type]
    reads_in_parts: ClassVar[bool] = False
    target_kind: ClassVar[Kinds]
    target_needs: ClassVar[tuple[str, ...]] = ()


class Evaluation(Examiner):
    """Measures what a trained model is good for."""

    @abstractmethod
    def examine(self, model: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Measure a trained model.

        Args:
            model: a trained model of the class `target_kind`.
            data: prepared data of the class `data_kind`.
            trainer: device, threads and workers to compute with.
            seeds: source of all randomness.

        Raises:
            NotImplementedError: the model or this particular data lacks what the evaluation needs.
        """


class Tracker(ABC):
    """Publishes records."""

    @abstractmethod
    def publish(self, config: dict[str, Any], records: Path) -> str | None:
        """Publish the record of one experiment, or do nothing if it is there already.

        Args:
            config: the resolved configuration of the experiment.
            records: the folder that holds one folder per stage.

        Returns:
            The id of the published run; None if nothing was published.
        """
