"""The values that flow through the package: pixel series and cubes.

Every reader, from tables of points to STAC searches, returns one of these, so that the code behind the readers does not
depend on the format of the input.

Axis letters: N series, T steps, C bands, Y rows, X columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.errors import InputError, TimeError, UnitsError
from timesenclip.grid import as_affine, pixel_lonlat

__all__ = ["Cube", "PixelSeries", "calendar_intervals", "concatenate", "year_fraction"]

_DAYS_PER_YEAR = 365.25
_MAX_REFLECTANCE = 3.0


def year_fraction(dates: NDArray[np.datetime64]) -> NDArray[np.float32]:
    """Calendar position of each date in years: 0.0 is 1 January 00:00, 0.5 about 2 July. Any shape."""
    days = dates.astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    first = years.astype("datetime64[D]")
    length = (years + 1).astype("datetime64[D]") - first
    return np.asarray((days - first) / length, dtype=np.float32)


def calendar_intervals(start: NDArray[np.datetime64], end: NDArray[np.datetime64]) -> NDArray[np.float32]:
    """Intervals of dates as positions in the calendar.

    Args:
        start: (..., T) datetime64[D], first day of each interval.
        end: (..., T) datetime64[D], first day after it.

    Returns:
        (..., T, 2) float32: start and end in years, start in [0, 1); end may pass 1 across New Year.
    """
    first = year_fraction(start)
    width = ((end - start).astype("timedelta64[D]").astype(np.float32)) / np.float32(_DAYS_PER_YEAR)
    return np.stack([first, first + width], axis=-1)  # (..., T, 2)


@dataclass(frozen=True, slots=True)
class PixelSeries:
    """N pixels (or small patches) seen over T calendar intervals in ten bands."""

    reflectance: NDArray[np.float32]
    """(N, T, C) or (N, T, C, Y, X), surface reflectance 0..1, C in `BAND_NAMES` order; 0 where not valid."""
    valid: NDArray[np.bool_]
    """(N, T), True = use: at least one band was seen. What is missing stays missing: nothing is ever filled in."""
    start: NDArray[np.datetime64]
    """(N, T) datetime64[D], first day of the interval that a step stands for."""
    end: NDArray[np.datetime64]
    """(N, T) datetime64[D], first day after it; a single acquisition has end = start + 1 day."""
    sample_id: tuple[str, ...]
    """(N,) names, made up ("0", "1", ...) where the source has none."""
    lon_deg: NDArray[np.float64]
    """(N,) longitude, EPSG:4326; NaN where unknown."""
    lat_deg: NDArray[np.float64]
    """(N,) latitude, EPSG:4326; NaN where unknown."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it came from and what was done: source, units, offset, mask, compositing, substitutions. JSON-able."""
    band_valid: NDArray[np.bool_] | None = None
    """(N, T, C), True = this band was seen at this step; None: all ten bands at every valid step. A sensor without red
    edge has False there at all steps; at steps that are not valid it carries no meaning."""

    def __post_init__(self) -> None:
        """Check shapes and units once, so that functions that take a series need not."""
        shape = self.reflectance.shape
        if len(shape) not in (3, 5) or shape[2] != len(BAND_NAMES):
            raise InputError(
                f"Reflectance has shape {shape}; expected (N, T, {len(BAND_NAMES)}) or (N, T, {len(BAND_NAMES)}, Y, X)."
            )
        for name, array in (("valid", self.valid), ("start", self.start), ("end", self.end)):
            if array.shape != shape[:2]:
                raise InputError(f"`{name}` has shape {array.shape}; expected {shape[:2]}, that of (N, T).")
        for name, count in (
            ("sample_id", len(self.sample_id)),
            ("lon_deg", len(self.lon_deg)),
            ("lat_deg", len(self.lat_deg)),
        ):
            if count != shape[0]:
                raise InputError(f"`{name}` has {count} entries for {shape[0]} series; give one for each.")
        if (self.end <= self.start).any():
            raise TimeError("A step ends before it starts; `end` is the first day after the interval.")
        self._check_reflectance()
        self._check_bands()

    def _check_bands(self) -> None:
        if self.band_valid is None:
            return
        if self.band_valid.shape != self.reflectance.shape[:3]:
            raise InputError(
                f"`band_valid` has shape {self.band_valid.shape}; expected {self.reflectance.shape[:3]}, that of "
                "(N, T, C)."
            )
        if (self.valid & ~self.band_valid.any(axis=2)).any():
            raise InputError("A step is marked valid but has no band; mark it missing in `valid`.")

    def _check_reflectance(self) -> None:
        if not np.isfinite(self.reflectance).all():
            raise InputError("Reflectance holds NaN or infinity; mark such steps in `valid` and set them to 0.")
        top = float(self.reflectance.max(initial=0.0))
        if top > _MAX_REFLECTANCE:
            raise UnitsError(
                f"Reflectance reaches {top:g}; expected 0..1. These look like digital numbers: divide by 10000 "
                "(timesenclip.eo.radiometry.to_reflectance), or say units 'dn'."
            )

    def __len__(self) -> int:
        """Number of series, N."""
        return int(self.reflectance.shape[0])

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return int(self.reflectance.shape[1])

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_] | slice) -> PixelSeries:
        """The series at `index` (slice, integer or boolean array), in that order."""
        chosen = np.arange(len(self))[index]
        return replace(
            self,
            reflectance=self.reflectance[chosen],
            valid=self.valid[chosen],
            start=self.start[chosen],
            end=self.end[chosen],
            sample_id=tuple(self.sample_id[i] for i in chosen),
            lon_deg=self.lon_deg[chosen],
            lat_deg=self.lat_deg[chosen],
            band_valid=None if self.band_valid is None else self.band_valid[chosen],
        )

    def bands_seen(self) -> NDArray[np.bool_]:
        """(N, T, C) whether each band was seen at each step; False at steps that are not valid."""
        if self.band_valid is None:
            return np.repeat(self.valid[..., None], self.reflectance.shape[2], axis=2)
        return self.band_valid & self.valid[..., None]

    def calendar(self) -> NDArray[np.float32]:
        """(N, T, 2) float32: start and end of each step in years, as `calendar_intervals`."""
        return calendar_intervals(self.start, self.end)

    def months(self) -> NDArray[np.int64]:
        """(N, T) month in which the middle of each step lies, counted from January 1970; `% 12` is 0 for January."""
        middle = self.start + (self.end - self.start) // 2
        return middle.astype("datetime64[M]").astype(np.int64)

    @classmethod
    def from_monthly(
        cls,
        reflectance: NDArray[np.float32],
        *,
        year: int,
        valid: NDArray[np.bool_] | None = None,
        sample_id: Sequence[str] | None = None,
        lon_deg: NDArray[np.float64] | None = None,
        lat_deg: NDArray[np.float64] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> PixelSeries:
        """Wrap a NumPy array whose T axis is January..December of one year.

        Args:
            reflectance: (N, T, C[, Y, X]) float 0..1; a step with any NaN is marked missing.
            year: calendar year of the first step; T may exceed 12 and then runs on into the next years.
            valid: (N, T) True = use; defaults to "has no NaN".
            sample_id, lon_deg, lat_deg, provenance: as the fields.
        """
        n, t = reflectance.shape[:2]
        finite = np.isfinite(reflectance).reshape(n, t, -1).all(axis=-1)
        use = np.asarray(finite if valid is None else valid & finite)
        keep = use.reshape(n, t, *(1,) * (reflectance.ndim - 2))
        months = np.datetime64(f"{year:04d}-01", "M") + np.arange(t + 1)
        days = np.broadcast_to(months.astype("datetime64[D]"), (n, t + 1))
        return cls(
            reflectance=np.where(keep, reflectance, 0.0).astype(np.float32),
            valid=use,
            start=days[:, :-1].copy(),
            end=days[:, 1:].copy(),
            sample_id=tuple(sample_id) if sample_id is not None else tuple(str(i) for i in range(n)),
            lon_deg=np.full(n, np.nan) if lon_deg is None else np.asarray(lon_deg, dtype=np.float64),
            lat_deg=np.full(n, np.nan) if lat_deg is None else np.asarray(lat_deg, dtype=np.float64),
            provenance=dict(provenance or {"source": "numpy array"}),
        )


def concatenate(parts: Sequence[PixelSeries], *, provenance: Mapping[str, Any] | None = None) -> PixelSeries:
    """Join series along N; those with fewer steps than the longest end in missing steps.

    Args:
        parts: pixels or patches of one size, in order.
        provenance: of the result; default: that of a single part, else a list of all under `joined`.

    Raises:
        InputError: there is nothing to join, or the sizes of pixels and patches differ.
    """
    if len({part.reflectance.shape[2:] for part in parts}) != 1:
        raise InputError(f"Cannot join series of pixel shapes {[part.reflectance.shape[2:] for part in parts]}.")
    if len(parts) == 1:
        return parts[0] if provenance is None else replace(parts[0], provenance=provenance)
    steps = max(part.steps for part in parts)
    every_band = all(part.band_valid is None for part in parts)

    def stack(arrays: Sequence[NDArray[Any]], mode: Any) -> NDArray[Any]:
        return np.concatenate(
            [np.pad(a, [(0, 0), (0, steps - a.shape[1])] + [(0, 0)] * (a.ndim - 2), mode=mode) for a in arrays]
        )  # (N, T, ...)

    return PixelSeries(
        reflectance=stack([part.reflectance for part in parts], "constant"),
        valid=stack([part.valid for part in parts], "constant"),
        start=stack([part.start for part in parts], "edge"),
        end=stack([part.end for part in parts], "edge"),
        sample_id=tuple(name for part in parts for name in part.sample_id),
        lon_deg=np.concatenate([part.lon_deg for part in parts]),
        lat_deg=np.concatenate([part.lat_deg for part in parts]),
        provenance={"joined": [dict(part.provenance) for part in parts]} if provenance is None else provenance,
        band_valid=None if every_band else stack([part.bands_seen() for part in parts], "constant"),
    )


@dataclass(frozen=True, slots=True)
class Cube:
    """An area seen over T dates (or composites) in ten bands, on one grid."""

    reflectance: NDArray[np.float32]
    """(T, C, Y, X), surface reflectance 0..1; 0 where not valid."""
    valid: NDArray[np.bool_]
    """(T, Y, X), True = clear and observed."""
    start: NDArray[np.datetime64]
    """(T,) datetime64[D], first day of each step."""
    end: NDArray[np.datetime64]
    """(T,) datetime64[D], first day after it."""
    crs: str
    """CRS as an authority string (`EPSG:32631`) or WKT; never implied."""
    transform: Affine
    """From (column, row) of a pixel's upper left corner to CRS units; six numbers (a, b, c, d, e, f) are taken, too."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it came from and what was done. JSON-able."""
    observations: NDArray[np.uint16] | None = None
    """(T, Y, X) clear observations behind each step of a composite; None where it is not known."""
    band_valid: NDArray[np.bool_] | None = None
    """(T, C, Y, X), as `PixelSeries.band_valid`; often a broadcast view, since a sensor lacks a band everywhere."""

    def __post_init__(self) -> None:
        """Check shapes once, and make an affine of six numbers."""
        object.__setattr__(self, "transform", as_affine(self.transform))
        shape = self.reflectance.shape
        if len(shape) != 4 or shape[1] != len(BAND_NAMES):
            raise InputError(f"Cube reflectance has shape {shape}; expected (T, {len(BAND_NAMES)}, Y, X).")
        if self.valid.shape != (shape[0], *shape[2:]):
            raise InputError(f"Cube `valid` has shape {self.valid.shape}; expected {(shape[0], *shape[2:])}.")
        if self.start.shape != shape[:1] or self.end.shape != shape[:1]:
            raise InputError(f"Cube `start` and `end` must have shape {shape[:1]}.")
        if self.observations is not None and self.observations.shape != self.valid.shape:
            raise InputError(f"Cube `observations` has shape {self.observations.shape}; expected {self.valid.shape}.")
        if self.band_valid is not None and self.band_valid.shape != shape:
            raise InputError(f"Cube `band_valid` has shape {self.band_valid.shape}; expected {shape}.")

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return int(self.reflectance.shape[2]), int(self.reflectance.shape[3])

    def pixel_series(self, pixels: NDArray[np.integer] | None = None) -> PixelSeries:
        """Pixels as series; longitude and latitude are of pixel centres.

        Args:
            pixels: (N,) numbers of pixels, counted row by row; default: all Y * X of them.
        """
        t, c, y, x = self.reflectance.shape
        chosen = np.arange(y * x) if pixels is None else pixels
        lon, lat = pixel_lonlat(self.crs, self.transform, (y, x))
        values = self.reflectance.reshape(t, c, y * x)[..., chosen]
        return PixelSeries(
            reflectance=np.ascontiguousarray(values.transpose(2, 0, 1)),  # (N, T, C)
            valid=np.ascontiguousarray(self.valid.reshape(t, y * x)[:, chosen].T),
            start=np.broadcast_to(self.start, (len(chosen), t)),
            end=np.broadcast_to(self.end, (len(chosen), t)),
            sample_id=tuple(map(str, chosen)),
            lon_deg=lon[chosen],
            lat_deg=lat[chosen],
            provenance=self.provenance,
            band_valid=self.bands_of(chosen),
        )

    def bands_of(self, pixels: NDArray[np.integer]) -> NDArray[np.bool_] | None:
        """(N, T, C) of pixels counted row by row; None where all bands were seen."""
        if self.band_valid is None:
            return None
        row, column = np.divmod(pixels, self.shape[1])
        return np.ascontiguousarray(self.band_valid[:, :, row, column].transpose(2, 0, 1))
