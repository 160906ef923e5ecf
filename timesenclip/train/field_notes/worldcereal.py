"""Real points for training and for the figures of the model card: WorldCereal tables, split by place.

The tables are the public ones of WorldCereal/worldcereal-classification (MIT); they are read where they lie and
never copied into the package.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DataNotFoundError
from timesenclip.series import PixelSeries

__all__ = ["RealPoints", "read_real_points", "spatial_part"]

_BLOCK_DEG = 0.25
_KIND_OF_CROP = {
    "maize": "maize",
    "wheat": "winter wheat",
    "barley": "winter barley",
    "rye": "winter barley",
    "triticale": "winter wheat",
    "oats": "spring cereals",
    "sorghum": "sorghum and millet",
    "millet": "sorghum and millet",
    "sunflower": "sunflower",
    "rapeseed_rape": "rapeseed",
    "soy_soybeans": "soybean",
    "potatoes": "potatoes",
    "beet": "sugar beet",
    "rice": "rice paddy",
    "dry_pulses_legumes": "groundnuts and pulses",
    "groundnuts": "groundnuts and pulses",
    "cassava": "cassava and roots",
    "sugar_cane": "sugar cane",
    "vegetables": "vegetables",
}
_KIND_OF_COVER = {
    "temporary_crops": "any crops",
    "temporary_grasses": "sown grass ley",
    "permanent_crops": "any permanent crops",
    "grasslands": "any grassland",
    "trees": "any woodland",
    "shrubland": "any shrubland",
    "built_up": "any built-up",
    "water": "any water",
    "wetlands": "any wetland",
    "bare_sparsely_vegetated": "any bare land",
}


@dataclass(frozen=True, slots=True)
class RealPoints:
    """Labelled real pixel years."""

    series: PixelSeries
    """N pixel years of monthly composites."""
    kind: tuple[str, ...]
    """(N,) kind of place, as the field notes know it."""
    part: NDArray[np.str_]
    """(N,) "train", "calibrate" or "test", by spatial block."""
    table: tuple[str, ...]
    """(N,) name of the table each comes from."""

    def take(self, which: NDArray[np.bool_]) -> RealPoints:
        """The points where `which` is true."""
        index = np.flatnonzero(which)
        return RealPoints(
            self.series.take(index),
            tuple(self.kind[i] for i in index),
            self.part[index],
            tuple(self.table[i] for i in index),
        )


def spatial_part(lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64]) -> NDArray[np.str_]:
    """Part of each point by the 0.25 degree block it lies in: 2/5 train, 1/5 calibrate, 2/5 test.

    Points of one block share a part, so that neighbours (often pixels of one field) are never on both sides.
    """
    parts = ("train", "train", "calibrate", "test", "test")
    out = []
    for lat, lon in zip(np.floor(lat_deg / _BLOCK_DEG), np.floor(lon_deg / _BLOCK_DEG), strict=True):
        digest = hashlib.sha256(f"{int(lat)}:{int(lon)}".encode()).digest()
        out.append(parts[digest[0] % len(parts)])
    return np.array(out)


def read_real_points(folder: str | Path) -> RealPoints:
    """Read every labelled point of the WorldCereal tables in `folder`.

    Args:
        folder: holds `class_mappings.json` and the (geo)parquet tables.

    Raises:
        DataNotFoundError: the folder has no such files.
    """
    from timesenclip.eo.points import read_attributes, read_points

    root = Path(folder)
    tables = sorted([*root.glob("*.parquet"), *root.glob("*.geoparquet")])
    mapping = root / "class_mappings.json"
    if not tables or not mapping.is_file():
        raise DataNotFoundError(f"No WorldCereal tables in '{root}': expected class_mappings.json and *.parquet there.")
    codes = json.loads(mapping.read_text(encoding="utf-8"))
    series: list[PixelSeries] = []
    kinds: list[str] = []
    names: list[str] = []
    for table in tables:
        points = read_points(table)
        codes_here = read_attributes(table, ["ewoc_code"])["ewoc_code"].astype(str)
        found = [_kind(code, codes["LANDCOVER10"], codes["CROPTYPE24"]) for code in codes_here]
        keep = np.array([kind is not None for kind in found]) & points.valid.any(axis=1)
        series.append(points.take(keep))
        kinds.extend(kind for kind, kept in zip(found, keep, strict=True) if kept and kind is not None)
        names.extend([table.name] * int(keep.sum()))
    joined = _join(series)
    return RealPoints(joined, tuple(kinds), spatial_part(joined.lat_deg, joined.lon_deg), tuple(names))


def _kind(code: str, cover: dict[str, str], crop: dict[str, str]) -> str | None:
    kind = _KIND_OF_COVER.get(cover.get(code, ""))
    return _KIND_OF_CROP.get(crop.get(code, ""), kind) if kind == "any crops" else kind


def _join(parts: list[PixelSeries]) -> PixelSeries:
    """Stack series of different lengths; the shorter ones end in missing steps."""
    steps = max(part.steps for part in parts)

    def stack(name: str, fill: str) -> NDArray[np.generic]:
        arrays = []
        for part in parts:
            array = getattr(part, name)
            widths = [(0, 0), (0, steps - part.steps)] + [(0, 0)] * (array.ndim - 2)
            arrays.append(np.pad(array, widths, mode=fill))  # type: ignore[call-overload]
        return np.concatenate(arrays)

    return PixelSeries(
        reflectance=stack("reflectance", "constant"),  # type: ignore[arg-type]
        valid=stack("valid", "constant"),  # type: ignore[arg-type]
        start=stack("start", "edge"),  # type: ignore[arg-type]
        end=stack("end", "edge"),  # type: ignore[arg-type]
        sample_id=tuple(name for part in parts for name in part.sample_id),
        lon_deg=np.concatenate([part.lon_deg for part in parts]),
        lat_deg=np.concatenate([part.lat_deg for part in parts]),
        provenance={"source": "WorldCereal public point tables"},
    )
