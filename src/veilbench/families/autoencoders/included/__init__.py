"""Trained models that come with the package, each in a folder of its own with a card, README.md."""

from pathlib import Path

HERE = Path(__file__).parent


def find_model(model: Path) -> Path:
    """Return the folder of a model: `model` itself, or the included one of that name if there is no such folder."""
    included = HERE / model
    return included if len(model.parts) == 1 and not model.exists() and included.is_dir() else model
