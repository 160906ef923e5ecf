"""Outlying steps of a series: clouds, haze and bright fog that slipped through masking are marked as not valid.

A step is outlying if it is bright against the series' own clear steps, as grey as a cloud, and no snow. The rule, for
the visible band that is there (blue; else green; else red), on the valid steps of one pixel:

1. *Bright*: above a floor, twice the reference and 0.08 above it, and above the reference by three times the natural
   spread below it. The reference is the 35 % quantile of the series, the spread is the reference less the 10 %
   quantile. A desert, a salt flat, a city or a glacier is bright all year and therefore its own reference.
2. *Grey*: blue is at least 0.8 of red (green 0.9 of red; red 0.9 of the short-wave infrared). Bare soil is red.
3. *No snow*: cloud moves the short-wave infrared towards 0.42 in B11 (0.32 in B12), snow towards 0.06. The step must be
   nearer to the cloud of its brightness than to the snow, seen from the median of the series, and its normalised
   difference of the visible band and the short-wave infrared must be below 0.6.

Steps that are found are left out of the quantiles, until no more are found; the second time nothing is found. A series
is left alone where fewer than four steps can be judged, where over 60 % of them would go, and where the bands do not
tell cloud from snow: without any short-wave infrared. Shadows are not looked for: floods and wet soils are as dark.

Each pixel is judged on its own, whatever is read beside it. Figures of what it catches and what it takes by mistake:
docs/design/0015-outlying-steps.md.

Source: brightness and whiteness tests of Fmask (Zhu & Woodcock 2012, doi:10.1016/j.rse.2011.10.028, section 3.1.1); the
comparison with the series' own clear steps as in MAJA (Hagolle et al. 2010, doi:10.1016/j.rse.2010.03.002).
Differs: no thermal band, no neighbours, and a quantile of the series instead of the last clear date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.errors import InputError
from timesenclip.series import Cube, PixelSeries

__all__ = [
    "OUTLYING_STEPS",
    "Outliers",
    "count_outlying",
    "cube_without_outliers",
    "is_judged",
    "outlying_steps",
    "series_without_outliers",
]

Outliers: TypeAlias = Literal["drop", "keep"]
"""What is done with outlying steps: left out, or kept."""

OUTLYING_STEPS = "outlying_steps"
"""Key of the provenance under which is written what was done; where it is there, nothing is judged again."""
RULE = "bright, grey and no snow against the 35 % quantile of the series (timesenclip.eo.outliers, version 1)"

REFERENCE_QUANTILE, LOW_QUANTILE = 0.35, 0.10
"""Quantiles of the visible band: the clear level, and the lower end of its natural spread."""
TIMES, RISE, SPREADS = 2.0, 0.08, 3.0
"""How far above the reference a step must be: as a multiple, as reflectance, and in natural spreads."""
CLOUD, SNOW, SNOW_SWIR = 0.62, 0.92, 0.06
"""Reflectance of thick cloud and of fresh snow in the visible, and of snow in the short-wave infrared."""
MOST_NDSI = 0.6
"""Highest normalised difference of the visible band and the short-wave infrared; snow is above, thick ice cloud below.
"""
LEAST_STEPS, MOST_SHARE = 4, 0.6
"""Fewest steps of a series that is judged, and the largest share of them that may be left out."""
_AT_ONCE = 65_536
"""Pixels judged at a time: their temporary arrays stay within some tens of megabytes."""

Floats: TypeAlias = NDArray[np.float32]
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Yardstick:
    """Bands by which a series is judged, and the constants that go with them."""

    visible: int
    """Index of the band whose brightness counts."""
    other: int
    """Index of the band that a cloud does not outshine."""
    swir: int
    """Index of the band that tells cloud from snow."""
    floor: float
    """Reflectance above which a step can be outlying."""
    grey: float
    """Least ratio of the visible to the other band."""
    cloud_swir: float
    """Reflectance of thick cloud in the short-wave infrared."""


def _yardsticks() -> tuple[_Yardstick, ...]:
    """The best first."""
    blue, green, red, b11, b12 = (band_index(name) for name in ("B02", "B03", "B04", "B11", "B12"))
    infrared = ((b11, 0.42), (b12, 0.32))
    return tuple(
        _Yardstick(visible, other if other is not None else swir, swir, floor, grey, cloud_swir)
        for visible, other, floor, grey in ((blue, red, 0.12, 0.8), (green, red, 0.16, 0.9), (red, None, 0.20, 0.9))
        for swir, cloud_swir in infrared
    )


_YARDSTICKS = _yardsticks()


def series_without_outliers(series: PixelSeries, outliers: Outliers = "drop") -> PixelSeries:
    """Series whose outlying steps are not valid; the provenance says how many of how many steps that were.

    Series that were judged before are returned as they are. Of patches the pixel in the middle decides.

    Args:
        series: N series.
        outliers: "keep" changes nothing but the provenance, so that nothing behind judges the series either.

    Raises:
        InputError: `outliers` is neither.
    """
    if is_judged(series.provenance, outliers):
        return series
    if outliers == "keep":
        return replace(series, provenance={**series.provenance, OUTLYING_STEPS: "kept"})
    values = series.reflectance
    if values.ndim == 5:
        values = values[..., values.shape[3] // 2, values.shape[4] // 2]  # (N, T, C)
    bands = None if series.band_valid is None else series.band_valid.transpose(1, 2, 0)
    out = outlying_steps(values.transpose(1, 2, 0), series.valid.T, bands).T  # (N, T)
    provenance = {**series.provenance, OUTLYING_STEPS: _record(out, series.valid)}
    if not out.any():
        return replace(series, provenance=provenance)
    reflectance = series.reflectance.copy()
    reflectance[out] = 0.0
    return replace(series, reflectance=reflectance, valid=series.valid & ~out, provenance=provenance)


def cube_without_outliers(cube: Cube, outliers: Outliers = "drop") -> Cube:
    """A cube whose outlying steps are not valid and count no clear observation; arguments as `series_without_outliers`.

    The reflectance is not copied: at the steps that are left out it stays what it was.

    Raises:
        InputError: `outliers` is neither.
    """
    if is_judged(cube.provenance, outliers):
        return cube
    if outliers == "keep":
        return replace(cube, provenance={**cube.provenance, OUTLYING_STEPS: "kept"})
    t, c, y, x = cube.reflectance.shape
    bands = None if cube.band_valid is None else cube.band_valid.reshape(t, c, y * x)
    out = outlying_steps(cube.reflectance.reshape(t, c, y * x), cube.valid.reshape(t, y * x), bands)
    out = out.reshape(t, y, x)
    counted = cube.observations
    return replace(
        cube,
        valid=cube.valid & ~out,
        observations=counted if counted is None or not out.any() else np.where(out, 0, counted).astype(counted.dtype),
        provenance={**cube.provenance, OUTLYING_STEPS: _record(out, cube.valid)},
    )


def is_judged(provenance: Mapping[str, Any], outliers: Outliers = "drop") -> bool:
    """Whether a provenance says that outlying steps were left out, or kept on purpose; of joined series, of each.

    Raises:
        InputError: `outliers` is neither "drop" nor "keep".
    """
    if outliers not in ("drop", "keep"):
        raise InputError(f"outliers is {outliers!r}; expected 'drop' or 'keep'.")
    joined = provenance.get("joined", ())
    return OUTLYING_STEPS in provenance or (len(joined) > 0 and all(is_judged(part) for part in joined))


def count_outlying(parts: list[Mapping[str, Any]]) -> Any:
    """What the provenances of several parts say together: the counts added up; None where none says anything."""
    found = [part[OUTLYING_STEPS] for part in parts if OUTLYING_STEPS in part]
    counts = [one for one in found if isinstance(one, Mapping)]
    if not counts:
        return found[0] if found else None
    removed, steps = (sum(int(one[key]) for one in counts) for key in ("removed", "steps"))
    return {**counts[0], "removed": removed, "steps": steps, "share": round(removed / steps, 4) if steps else 0.0}


def outlying_steps(reflectance: Floats, valid: Bools, band_valid: Bools | None = None) -> Bools:
    """Which steps of P pixels are outlying, by the rule of this module.

    Args:
        reflectance: (T, C, P), all ten bands, 0..1; any strides.
        valid: (T, P) True = use.
        band_valid: (T, C, P) as `Cube.band_valid`; None: all bands at every valid step.

    Returns:
        (T, P), True only where valid.
    """
    out = np.zeros(valid.shape, dtype=np.bool_)
    for first in range(0, valid.shape[1], _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        bands = None if band_valid is None else band_valid[..., part]
        out[:, part] = _judge(reflectance[..., part], valid[:, part], bands)
    return out


def _judge(reflectance: Floats, valid: Bools, band_valid: Bools | None) -> Bools:
    """As `outlying_steps`: each pixel by the first yardstick whose bands it has."""
    out = np.zeros(valid.shape, dtype=np.bool_)
    waiting = np.ones(valid.shape[1], dtype=np.bool_)  # (P,)
    for stick in _YARDSTICKS:
        used = [stick.visible, stick.other, stick.swir]
        judged = valid if band_valid is None else valid & band_valid[:, used].all(axis=1)  # (T, P)
        here = waiting & judged.any(axis=0)
        waiting &= ~here
        level, other = reflectance[:, stick.visible], reflectance[:, stick.other]  # (T, P)
        possible = judged & (level > stick.floor) & (level > np.float32(stick.grey) * other)
        columns = np.flatnonzero(here & possible.any(axis=0) & (judged.sum(axis=0) >= LEAST_STEPS))
        if columns.size:
            swir = np.ascontiguousarray(reflectance[:, stick.swir, columns])
            above = np.ascontiguousarray(level[:, columns])
            out[:, columns] = _far_above(above, swir, judged[:, columns], possible[:, columns], stick.cloud_swir)
        if not waiting.any():
            break
    return out


def _far_above(level: Floats, swir: Floats, judged: Bools, possible: Bools, cloud_swir: float) -> Bools:
    """Possible steps (T, P) that are brighter than the clear ones of their pixel, and no snow.

    Args:
        level, swir: (T, P) visible band and short-wave infrared.
        judged: (T, P) steps that can be judged.
        possible: (T, P) those of them that are bright and grey enough by themselves.
        cloud_swir: reflectance of thick cloud in the short-wave infrared.
    """
    possible = possible & ((level - swir) < MOST_NDSI * (level + swir))
    use = judged.copy()
    active = np.arange(level.shape[1])
    while active.size:
        rows, infrared, clear = level[:, active], swir[:, active], use[:, active]
        low, reference = _quantiles(rows, clear, (LOW_QUANTILE, REFERENCE_QUANTILE))
        (usual,) = _quantiles(infrared, clear, (0.5,))
        limit = np.maximum.reduce([TIMES * reference, reference + RISE, reference + SPREADS * (reference - low)])
        from_cloud, from_snow = (_part(rows, reference, bright) for bright in (CLOUD, SNOW))
        cloud = usual + from_cloud * (cloud_swir - usual)
        snow = usual + from_snow * (SNOW_SWIR - usual)
        found = clear & possible[:, active] & (rows > limit) & (infrared - snow > 0.5 * (cloud - snow))
        use[:, active] &= ~found
        active = active[found.any(axis=0)]
    gone = judged & ~use
    return np.asarray(gone & (gone.sum(axis=0) <= MOST_SHARE * judged.sum(axis=0)))


def _part(level: Floats, reference: Floats, bright: float) -> Floats:
    """How far a step (T, P) is on the way from the reference (P,) to a bright cover, 0..1."""
    return np.asarray(np.clip((level - reference) / np.maximum(bright - reference, 0.1), 0.0, 1.0))


def _quantiles(values: Floats, use: Bools, shares: tuple[float, ...]) -> list[Floats]:
    """Quantiles (P,) over axis 0 of the values in use: of the two nearest the lower, so that it is a value seen."""
    ordered = np.sort(np.where(use, values, np.float32(np.inf)), axis=0)
    last = np.maximum(use.sum(axis=0) - 1, 0)
    return [np.take_along_axis(ordered, np.floor(share * last).astype(np.intp)[None], axis=0)[0] for share in shares]


def _record(out: Bools, valid: Bools) -> dict[str, Any]:
    removed, steps = int(out.sum()), int(valid.sum())
    return {"rule": RULE, "removed": removed, "steps": steps, "share": round(removed / steps, 4) if steps else 0.0}
