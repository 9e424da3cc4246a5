"""Trained encoders that come with the package, each in a folder of its own with a card, README.md."""

from pathlib import Path

HERE = Path(__file__).parent


def find_weights(weights: str) -> str:
    """Return `weights`, or the path of the included file of that name if there is no such file.

    Args:
        weights: a path, or `<name>/model.safetensors` of an included encoder.
    """
    included = HERE / weights
    return str(included) if not Path(weights).exists() and included.is_file() else weights
