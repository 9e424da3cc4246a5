"""A fitted pipeline of scikit-learn from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.foreign import foreign_errors
from veilbench.bench.homes import find_root, make_importable
from veilbench.bench.limits import require_value
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import pack_words, unpack_words
from veilbench.families.mail.wrapped.text_scorer import TextScorer, list_words_by_number, note_lost_words

PICKLED = (".pkl", ".pickle", ".joblib")


class SavedFilter(TextScorer):
    """A fitted pipeline with `predict_proba` on texts, saved by skops or, if you trust the file, by pickle or joblib.

    The saved model holds the pipeline in skops' format. Its types must be those that skops trusts (scikit-learn, NumPy
    and SciPy) or of registered packages.

    Args:
        path: path of a `.skops` file or, with `trust_pickle`, of a `.pkl`, `.pickle` or `.joblib` file.
        spam: the class that stands for spam among the pipeline's `classes_`, as a text.
        trust_pickle: whether to unpickle the file. A pickle is a program: whoever wrote the file runs any code on this
            machine, with your rights, when it is read. Set this only for files that you have written yourself.
    """

    def __init__(self, path: str, spam: str = "1", trust_pickle: bool = False) -> None:
        super().__init__(spam)
        if path.endswith(PICKLED) and not trust_pickle:
            raise ValueError(
                f"path={path} is a pickle, which runs code when it is read: set trust_pickle=true or use skops"
            )
        if not path.endswith((".skops", *PICKLED)):
            raise ValueError(f"path={path} must end in .skops, {', '.join(PICKLED)}")
        self.path, self.trust_pickle, self.content, self.lost = path, trust_pickle, b"", list[str]()

    def described(self) -> str:
        """Return the path of the file."""
        return self.path

    def notes(self) -> list[str]:
        """Return what is lost between the corpus and the filter."""
        return self.lost

    def fit(self, data: Mails, rng: np.random.Generator) -> SavedFilter:
        """Return the filter with its file read; nothing is trained.

        Raises:
            UserError: the file is missing or damaged, holds types that are not trusted, or does not score texts.
        """
        if not Path(self.path).is_file():
            raise UserError(f"path={self.path}: there is no such file")
        content = self._convert() if self.path.endswith(PICKLED) else Path(self.path).read_bytes()
        model = self._with(content, list_words_by_number(data))
        model.lost = note_lost_words(data)
        model.score_texts(model.texts(data.train.tokens[:1]))
        return model

    def _convert(self) -> bytes:
        """Unpickle the file and return the same pipeline in skops' format."""
        import joblib

        with foreign_errors(f"path={self.path} cannot be unpickled"):
            pipeline = joblib.load(self.path)
        with foreign_errors(f"path={self.path} cannot be saved without pickle"):
            made: bytes = _skops().dumps(pipeline)
        return made

    def _with(self, content: bytes, words: list[str]) -> SavedFilter:
        model = SavedFilter(self.path, self.spam, self.trust_pickle)
        model.content, model.words, model.pipeline = content, words, _load(content, self.path)
        return model

    def settings(self) -> dict[str, Any]:
        """Return the class that stands for spam."""
        return {"spam": self.spam}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the pipeline in skops' format, and the words by their numbers; uint8."""
        return {"pipeline": np.frombuffer(self.content, np.uint8), "words": pack_words(self.words)}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Load the pipeline from its saved bytes; nothing is unpickled."""
        require_value(str, settings.get("spam"), "settings.spam")
        words = unpack_words(require_array(arrays, "words", np.uint8, (None,)))
        made = cls("model.skops", settings["spam"])._with(
            require_array(arrays, "pipeline", np.uint8, (None,)).tobytes(), words
        )
        return made  # type: ignore[return-value]


def _skops() -> Any:
    try:
        from skops import io
    except ImportError as error:
        raise UserError("a saved pipeline needs the package skops: pip install 'veilbench[skops]'") from error
    return io


def _load(content: bytes, where: str) -> Any:
    """Load a pipeline from skops' format, if it holds nothing but types that are trusted."""
    skops = _skops()
    with foreign_errors(f"{where} cannot be read"):
        strange = skops.get_untrusted_types(data=content)
        own = {name: root[0] for name in strange if (root := find_root(name))}
    if refused := sorted(set(strange) - set(own)):
        raise UserError(f"{where} holds {refused[0]}, which is neither of scikit-learn nor of a registered package")
    for package in own.values():
        make_importable(package)
    with foreign_errors(f"{where} cannot be read"):
        return skops.loads(content, trusted=list(own))
