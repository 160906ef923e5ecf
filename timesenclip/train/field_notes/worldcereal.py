"""Real points for training and for the figures of the model card: WorldCereal tables, split by place.

The tables are the public ones of WorldCereal/worldcereal-classification (MIT); they are read from a folder of
the user and are not part of the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DataNotFoundError
from timesenclip.read_files import read_json
from timesenclip.series import PixelSeries, concatenate
from timesenclip.spatial import spatial_choice

__all__ = ["PARTS", "RealPoints", "read_real_points"]

PARTS = ("train", "train", "calibrate", "test", "test")
"""Part of a block of land, each entry equally likely: 2/5 train, 1/5 calibrate, 2/5 test."""
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
    """(N,) kind of place, one of `kinds_of_place()`."""
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


def read_real_points(folder: str | Path) -> RealPoints:
    """Read every labelled point of the WorldCereal tables in `folder`.

    Args:
        folder: holds `class_mappings.json` and the (geo)parquet tables.

    Raises:
        DataNotFoundError: the folder has no such files.
    """
    from timesenclip.eo.points.read import read_attributes, read_points

    root = Path(folder)
    tables = sorted([*root.glob("*.parquet"), *root.glob("*.geoparquet")])
    mapping = root / "class_mappings.json"
    if not tables or not mapping.is_file():
        raise DataNotFoundError(
            f"No WorldCereal tables in '{root}': expected class_mappings.json and "
            "*.parquet; give the folder of the tables."
        )
    codes = read_json(mapping, what="table of classes")
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
    joined = concatenate(series, provenance={"source": "WorldCereal public point tables"})
    part = spatial_choice(PARTS, lat_deg=joined.lat_deg, lon_deg=joined.lon_deg)
    return RealPoints(joined, tuple(kinds), part, tuple(names))


def _kind(code: str, cover: dict[str, str], crop: dict[str, str]) -> str | None:
    kind = _KIND_OF_COVER.get(cover.get(code, ""))
    return _KIND_OF_CROP.get(crop.get(code, ""), kind) if kind == "any crops" else kind
