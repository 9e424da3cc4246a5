"""Damaged image files: one error, and no warning of Pillow's beside it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilbench.bench.errors import UserError
from veilbench.images.image_file import list_images, read_image


def test_a_cut_tiff_is_refused_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12)).save(path)
    head = path.read_bytes()
    tag = head.index(b"\x16\x01\x04\x00")  # rows per strip, one number of 32 bits
    path.write_bytes(head[: tag + 4] + b"\xff\xff\0\0" + head[tag + 8 :])
    with pytest.warns(UserWarning, match="Tag data larger than file"), Image.open(path) as opened:
        opened.load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list_images(tmp_path, [])
        read_image(path)
    path.write_bytes(path.read_bytes()[:60])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would be the text of the error
        with pytest.raises(UserError, match=r"a\.tif cannot be read: cannot identify"):
            read_image(path)
