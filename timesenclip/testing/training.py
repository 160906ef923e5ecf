"""Write small training data in the authors' formats: Sen4Map HDF5, LUCAS tables and photos, published embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.radiometry import QUANTIFICATION
from timesenclip.series import PixelSeries

__all__ = [
    "write_lucas_embeddings",
    "write_lucas_photos",
    "write_lucas_table",
    "write_sen4map",
    "write_sen4map_crops",
    "write_test_labels",
]

_YEAR = 2018
_CLEAR, _CLOUD = 4, 9


def write_sen4map(
    path: str | Path,
    point_ids: Sequence[str],
    *,
    series: PixelSeries | None = None,
    labels: Sequence[dict[str, str]] | None = None,
    acquisitions: int = 24,
    side: int = 64,
    cloudy: float = 0.3,
    seed: int = 0,
) -> Path:
    """Write a Sen4Map file with full patches: band datasets (T, side, side) uint16, SCL, and attributes.

    Args:
        path: `.h5` file.
        point_ids: one group `Lucas_Point_<id>` each.
        series: 12 monthly steps of 2018 for each point, repeated over the patch; default: noise. Steps that are not
            valid get no image.
        labels: attributes such as `lc1`, `lu1`, `nuts0`.
        acquisitions: images of the year, spread over it.
        side: patch side in pixels.
        cloudy: share of the images whose middle is under a cloud.
        seed: of the noise, the clouds and the days.
    """
    import h5py

    rng = np.random.default_rng(seed)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(target, "w") as file:
        for i, point in enumerate(point_ids):
            dn, scl, days = _patch(rng, None if series is None else series, i, acquisitions, side, cloudy)
            group = file.create_group(f"Lucas_Point_{point}")
            for c, name in enumerate(BAND_NAMES):
                group.create_dataset(name.replace("B0", "B"), data=dn[:, c])
            group.create_dataset(SCL_NAME, data=scl)
            short = [day.replace("-", "") for day in days]
            group.attrs["Image_ID"] = [f"{day}T105031_{day}T105027_T31UFS" for day in short]
            _attributes(group, i, series, labels)
    return target


def _patch(
    rng: np.random.Generator, series: PixelSeries | None, i: int, count: int, side: int, cloudy: float
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], list[str]]:
    days = np.sort(rng.choice(365, size=count, replace=False))
    if series is not None:
        month = np.array([int(str(_day(d))[5:7]) - 1 for d in days])
        days = days[series.valid[i, month]]
    dates = [str(_day(day)) for day in days]
    month = np.array([int(date[5:7]) - 1 for date in dates], dtype=np.int64)
    if series is None:
        dn = rng.integers(50, 6000, size=(len(days), len(BAND_NAMES), side, side), dtype=np.uint16)
    else:
        flat = np.rint(series.reflectance[i, month] * QUANTIFICATION)[..., None, None]
        dn = np.broadcast_to(flat, (*flat.shape[:2], side, side)).astype(np.uint16)
    scl = np.full((len(days), side, side), _CLEAR, dtype=np.uint8)
    for t in np.flatnonzero(rng.random(len(days)) < cloudy):
        reach = side // 4
        scl[t, side // 2 - reach : side // 2 + reach, side // 2 - reach : side // 2 + reach] = _CLOUD
        if series is not None:
            dn[t] = 9000
    return dn, scl, dates


def _day(day: int) -> np.datetime64:
    return np.datetime64(f"{_YEAR}-01-01") + int(day)


def write_sen4map_crops(
    path: str | Path,
    point_ids: Sequence[str],
    *,
    series: PixelSeries | None = None,
    labels: Sequence[dict[str, str]] | None = None,
    patch_size: int = 1,
    seed: int = 0,
) -> Path:
    """Write the small crops that the authors train on: `image` (12, 10, p, p); arguments as `write_sen4map`."""
    import h5py

    rng = np.random.default_rng(seed)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shape = (12, len(BAND_NAMES), patch_size, patch_size)
    with h5py.File(target, "w") as file:
        for i, point in enumerate(point_ids):
            if series is None:
                image = rng.integers(50, 6000, size=shape, dtype=np.uint16)
            else:
                dn = np.where(series.valid[i, :, None], np.rint(series.reflectance[i] * QUANTIFICATION), 0) + 1
                image = np.broadcast_to(dn[:, :, None, None], shape).astype(np.uint16)
            group = file.create_group(f"Lucas_Point_{point}")
            group.create_dataset("image", data=image)
            _attributes(group, i, series, labels)
    return target


def _attributes(group: Any, i: int, series: PixelSeries | None, labels: Sequence[dict[str, str]] | None) -> None:
    for name, value in ({} if labels is None else labels[i]).items():
        group.attrs[name] = value
    lon, lat = 4.0 + 0.01 * (i % 2000), 50.0 + i // 2000
    if series is not None:
        lon, lat = float(series.lon_deg[i]), float(series.lat_deg[i])
    group.attrs["Coordinates"] = np.array([lon, lat])


def write_lucas_table(
    path: str | Path,
    point_ids: Sequence[str],
    *,
    lon_deg: Sequence[float],
    lat_deg: Sequence[float],
    labels: Sequence[dict[str, str]],
    swapped: bool = False,
) -> Path:
    """Write Eurostat's point table of 2018 (CSV): unsigned longitudes with `GPS_EW` beside them, days as 13/06/18."""
    import pandas as pd

    east, north = (np.asarray(v, dtype=float) for v in (lon_deg, lat_deg))
    frame = pd.DataFrame(
        {
            "POINT_ID": list(point_ids),
            "NUTS0": [label.get("nuts0", "BE") for label in labels],
            "SURVEY_DATE": "13/06/18",
            "GPS_LAT": east if swapped else north,
            "GPS_EW": np.where(east < 0, "W", "E"),
            "GPS_LONG": north if swapped else np.abs(east),
            "LC1": [label.get("lc1", "") for label in labels],
            "LU1": [label.get("lu1", "") for label in labels],
        }
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(target, index=False)
    return target


def write_test_labels(path: str | Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write the authors' `Sen4Map_Test_all_labels.csv`, whose column `lat` holds the longitude and `lon` the latitude.

    Args:
        path: `.csv` file.
        rows: `im_id`, `lon_deg`, `lat_deg`, and any of their label columns (`lc_label`, `lu_label`, `crop_label`,
            `nuts_label`, `bioregion_class`, `eunis_class`).
    """
    import pandas as pd

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = [{"im_id": r["im_id"], "lat": r["lon_deg"], "lon": r["lat_deg"]} for r in rows]
    extra = [{k: v for k, v in r.items() if k not in ("im_id", "lon_deg", "lat_deg")} for r in rows]
    pd.DataFrame([a | b for a, b in zip(columns, extra, strict=True)]).to_csv(target, index=False)
    return target


def write_lucas_photos(folder: str | Path, photos: dict[str, NDArray[np.uint8]], *, country: str = "BE") -> Path:
    """Write the photo tree `COUNTRY/123/456/12345678N.jpg`; `photos` maps `12345678N` to (Y, X, 3) uint8."""
    from PIL import Image

    root = Path(folder)
    for name, pixels in photos.items():
        target = root / country / name[:3] / name[3:6] / f"{name}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target, quality=90)
    return root


def write_lucas_embeddings(path: str | Path, vectors: dict[str, NDArray[np.float32]]) -> Path:
    """Write the published dictionary of embeddings: `{NUTS0}_{point}{W|E|N|S}` -> tensor (1, D), saved by torch."""
    import torch

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: torch.from_numpy(np.atleast_2d(v).astype(np.float32)) for name, v in vectors.items()}, target)
    return target
