"""Cores of fingerprints: the places that two impressions of a finger can be aligned by."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.schemes.image_extractor import compute_orientations

CELL = 3  # side of a cell of the orientation field, in pixels
SPREAD = 16.0  # standard deviation of the filter's window, in pixels: about two ridges of a scan at 500 dpi


def find_cores(images: np.ndarray) -> np.ndarray:
    """Find the upper core of each print, around which the ridges turn back.

    The filter for parabolic symmetry of Nilsson and Bigun 2003, "Localization of corresponding points in fingerprints
    by complex filtering", with the sign of ridges that are bent upwards: of a whorl's two cores it finds the upper
    one. Prints must be upright, within about 45 degrees. Of an arch, which has no core, it finds the sharpest bend.

    Args:
        images: grey images of prints, shape (n, h, w), at least 24 pixels on each side.

    Returns:
        Row and column of each core in pixels, to the nearest cell of 3 x 3 pixels; shape (n, 2), int64.
    """
    from scipy.signal import oaconvolve

    side = min(images.shape[1:])
    parts = compute_orientations(images.astype(np.float32, copy=False), side // CELL)
    field = parts[:, 0] + 1j * parts[:, 1]
    reach = np.arange(-int(2.5 * SPREAD / CELL), int(2.5 * SPREAD / CELL) + 1)
    right, down = np.meshgrid(reach, reach)
    window = np.exp(-(right**2 + down**2) * CELL**2 / (2 * SPREAD**2))
    # A convolution mirrors the filter, which changes the sign of right and down.
    bent = oaconvolve(field, (-1j * (right - 1j * down) * window)[None], mode="same", axes=(1, 2)).real
    cells = np.stack(np.unravel_index(bent.reshape(len(bent), -1).argmax(1), bent.shape[1:]), 1)
    scale = np.array(images.shape[1:]) / bent.shape[1:]
    return np.asarray(((cells + 0.5) * scale).astype(np.int64))
