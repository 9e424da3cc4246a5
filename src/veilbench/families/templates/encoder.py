"""The contract of encoders that users write: images in, codes out; the bench trains, protects and attacks them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from veilbench.bench.contracts import UserModel
from veilbench.bench.experiment import build_as
from veilbench.bench.foreign import foreign_errors
from veilbench.bench.simple_model import NotesArguments
from veilbench.corruptions.random_affine import RandomAffine
from veilbench.families.templates.losses.metric import MetricLoss
from veilbench.families.templates.modules.hashmap import Augmentation, Hashmap
from veilbench.families.templates.nets.saved_net import SavedNet
from veilbench.families.templates.schemes.hashmap import HashmapScheme
from veilbench.nets.saved_weights import load_weights

SETTINGS = (
    "loss", "margin", "temperature", "impressions", "augmentation", "mirrored", "binary", "keyed", "noise",
    "learning_rate", "weight_decay",
)  # fmt: skip


class EncoderNet(SavedNet):
    """The network of an `Encoder`, apart from its training, as it is saved and restored.

    Args:
        encoder: the encoder, whose `forward` is used.
        image: shape of an image, (channels, height, width), with which lazy layers get their sizes.
    """

    def __init__(self, encoder: Encoder, image: Sequence[int]) -> None:
        super().__init__()
        self.encoder, self.image = encoder, list(image)
        with torch.no_grad():
            shape = tuple(self.eval()(torch.zeros(1, *image)).shape)
        self.train()
        if len(shape) != 2 or shape[0] != 1:
            raise ValueError(
                f"{type(encoder).__name__}.forward returned shape {shape} for images of shape {(1, *image)}: "
                "(images, code) is needed"
            )
        self.code = int(shape[1])

    def forward(self, images: Tensor) -> Tensor:
        """Encode images, shape (n, channels, height, width), to shape (n, code).

        Raises:
            UserError: the encoder raised an error.
        """
        with foreign_errors(f"{type(self.encoder).__name__} failed on images of shape {tuple(images.shape)}"):
            return torch.as_tensor(self.encoder(images))

    def settings(self) -> dict[str, Any]:
        """Return the encoder's class and arguments, and the shape of its images."""
        kind = type(self.encoder)
        target = f"{kind.__module__}.{kind.__qualname__}"
        return {"encoder": {"_target_": target, **self.encoder.arguments}, "image": self.image}


class EncoderScheme(HashmapScheme):
    """Templates of an encoder that a user wrote; see `HashmapScheme`."""

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, Any]) -> EncoderScheme:
        """Rebuild the model from what `settings` and `arrays` returned."""
        settings = dict(settings)
        described = settings.pop("net", None)
        if not isinstance(described, Mapping) or not isinstance(described.get("encoder"), Mapping):
            raise ValueError(f"settings.net={described!r:.200} describes no encoder")
        net = EncoderNet(build_as(Encoder, described["encoder"], "settings.net.encoder"), described.get("image", ()))
        load_weights(net, arrays)
        return cls(net, **settings)


class EncoderTraining(Hashmap):
    """Training of an encoder that a user wrote, with the losses of `Hashmap`.

    Args:
        encoder: the encoder, as it was constructed.
    """

    trained_kind = EncoderScheme

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(**{name: getattr(encoder, name) for name in SETTINGS})
        self.kind, self.encoder_arguments = type(encoder), encoder.arguments

    def build_net(self, image: Sequence[int]) -> SavedNet:
        """Construct the encoder anew, so that its initial weights depend on the seed alone."""
        net = EncoderNet(self.kind(**self.encoder_arguments), image)
        self.code = net.code
        return net

    def trained_model(self) -> EncoderScheme:
        """Return the trained scheme, with the last weights of the encoder."""
        return EncoderScheme(self.net.cpu(), self.binary, self.keyed, self.noise, self.noise_seed)


class Encoder(NotesArguments, nn.Module, UserModel):
    """An encoder of images. Write the constructor and `forward`; everything else has a default.

    The bench trains it with a metric loss so that codes of one person are similar, and codes of different people are
    not. Templates are the codes scaled to length 1. Arguments of the subclass's constructor must be plain values, since
    a trained model is saved as its class, these arguments and its weights. To change how it is trained, set the
    attributes, in the class or in its constructor.

    Attributes:
        loss: metric loss: "contrastive", "triplet", "ntxent", "supcon" or "arcface".
        margin: margin of the loss: a distance, or for "arcface" an angle in radians.
        temperature: temperature of the losses "ntxent" and "supcon".
        impressions: number of impressions per identity in a batch.
        augmentation: random transformation of the training images; None for none.
        mirrored: whether to train on mirror images too, as additional identities.
        binary: whether templates are the signs of the code.
        keyed: whether templates are rotated by a user's key.
        noise: length of the Gaussian noise added to codes of length 1.
        learning_rate: initial learning rate of AdamW.
        weight_decay: weight decay of AdamW.
    """

    loss: MetricLoss = "contrastive"
    margin: float = 1.4
    temperature: float = 0.1
    impressions: int = 4
    augmentation: Augmentation | None = RandomAffine()
    mirrored: bool = True
    binary: bool = False
    keyed: bool = False
    noise: float = 0.0
    learning_rate: float = 4e-3
    weight_decay: float = 0.01

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Encode images.

        Args:
            images: images of shape (n, channels, height, width), in [0, 1].

        Returns:
            Codes, shape (n, code).
        """

    def as_model(self) -> EncoderTraining:
        """Return the training of this encoder."""
        return EncoderTraining(self)
