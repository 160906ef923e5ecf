"""Which bands of a cube are there: masks by band, kept as small as they can be.

`Cube.band_valid` is None where all ten bands are there at every valid step, which costs nothing; a broadcast view where
a sensor lacks bands at all steps; and an array of its own only where the steps of a pixel differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.errors import BandError
from timesenclip.series import Cube

__all__ = [
    "SeenBands",
    "absent_bands",
    "bands_of_cube",
    "bands_with_one_mask",
    "compact",
    "darkest",
    "describe_bands",
    "mask_of_bands",
    "require_any_band",
]


def require_any_band(names: Iterable[str], *, source_name: str) -> None:
    """Refuse a source without any band that an encoder reads.

    Args:
        names: canonical names of what is there; other names, such as SCL, do not count.
        source_name: name of the source, for the message.

    Raises:
        BandError: none of the ten bands is there.
    """
    if not set(names) & set(BAND_NAMES):
        raise BandError(
            f"{source_name} has no known band; expected at least one of {', '.join(BAND_NAMES)}. Check the names of "
            "its files or variables."
        )


def absent_bands(there: Collection[str]) -> tuple[str, ...]:
    """The bands that are not there, in the order of the C axis."""
    return tuple(name for name in BAND_NAMES if name not in there)


def describe_bands(there: Collection[str]) -> str:
    """`B02, B03, B04, B08 (without B05, B06, B07, B8A, B11, B12)`, for people."""
    absent = absent_bands(there)
    if not absent:
        return f"all {len(BAND_NAMES)}"
    return f"{', '.join(name for name in BAND_NAMES if name in there)} (without {', '.join(absent)})"


def mask_of_bands(there: Collection[str], shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """A mask (T, C, Y, X) of a sensor that has these bands at all steps, as a view; None if it has all ten."""
    flags = np.array([name in there for name in BAND_NAMES])
    return None if flags.all() else np.broadcast_to(flags[:, None, None], shape)


def compact(valid: NDArray[np.bool_], band_valid: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """The smallest mask that says the same at valid steps.

    Args:
        valid: (T, Y, X) True = use.
        band_valid: (T, C, Y, X) as `Cube.band_valid`.

    Returns:
        None if all bands are there at every valid step, a broadcast view if each band is there at all of them or at
        none, and the mask itself otherwise.
    """
    if band_valid is None:
        return None
    flags = np.zeros(band_valid.shape[1], dtype=np.bool_)
    for band in range(band_valid.shape[1]):
        seen = valid & band_valid[:, band]
        flags[band] = seen.any()
        if flags[band] and not np.array_equal(seen, valid):
            return band_valid
    if flags.all() or not flags.any():  # with nothing valid there is nothing to say
        return None
    return np.broadcast_to(flags[:, None, None], band_valid.shape)


def bands_of_cube(cube: Cube) -> tuple[str, ...]:
    """The bands that are there at some valid step of some pixel; all ten where a cube does not tell."""
    if cube.band_valid is None or not cube.valid.any():
        return BAND_NAMES
    return tuple(name for i, name in enumerate(BAND_NAMES) if bool((cube.valid & cube.band_valid[:, i]).any()))


def bands_with_one_mask(
    valid: NDArray[np.bool_], band_valid: NDArray[np.bool_]
) -> Iterator[tuple[list[int], NDArray[np.bool_]]]:
    """Bands that were seen at the same steps of the same pixels; those that were never seen are left out.

    Args:
        valid: (T, Y, X) True = use.
        band_valid: (T, C, Y, X).

    Yields:
        Positions of bands on the C axis, and where they were seen (T, Y, X).
    """
    groups: list[tuple[list[int], NDArray[np.bool_]]] = []
    for band in range(band_valid.shape[1]):
        seen = valid & band_valid[:, band]
        for bands, known in groups:
            if np.array_equal(known, seen):
                bands.append(band)
                break
        else:
            groups.append(([band], seen))
    return ((bands, seen) for bands, seen in groups if seen.any())


def darkest(cube: Cube) -> NDArray[np.float32]:
    """(T, Y, X) reflectance of the darkest band of those that are there; infinite where none is."""
    if cube.band_valid is None:
        return np.asarray(cube.reflectance.min(axis=1))
    return np.asarray(np.min(cube.reflectance, axis=1, where=cube.band_valid, initial=np.inf))


class SeenBands:
    """Where each band was seen, collected band by band; one mask is kept as long as all bands have the same."""

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        """Begin without a band, for arrays (T, C, Y, X)."""
        self._shape = shape
        self._known: list[int] = []
        self._one: NDArray[np.bool_] = np.zeros((shape[0], *shape[2:]), dtype=np.bool_)
        self._each: NDArray[np.bool_] | None = None

    def add(self, band: int, seen: NDArray[np.bool_]) -> None:
        """Take where a band was seen (T, Y, X); `band` is its position on the C axis."""
        if not self._known:
            self._one = seen
        elif self._each is None and not np.array_equal(seen, self._one):
            self._each = np.zeros(self._shape, dtype=np.bool_)
            self._each[:, self._known] = self._one[:, None]
        if self._each is not None:
            self._each[:, band] = seen
        self._known.append(band)

    def any(self) -> NDArray[np.bool_]:
        """(T, Y, X) where at least one band was seen."""
        return self._one if self._each is None else np.asarray(self._each.any(axis=1))

    def mask(self) -> NDArray[np.bool_] | None:
        """(T, C, Y, X) as `Cube.band_valid`: None if all bands were seen wherever one was."""
        if self._each is not None:
            return self._each
        return mask_of_bands([BAND_NAMES[band] for band in self._known], self._shape)
