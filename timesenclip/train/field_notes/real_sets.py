"""Real series to train and to measure with: public sets in the folders of a user, by region, with their labels.

The sets are small public samples (all MIT); none is part of the package. A folder holds some or all of them:

    worldcereal/*.parquet, class_mappings.json   Corsica, south-west France, Flanders, East Africa; crops and covers
    rondonia-2018/, roraima-2018/                Sentinel-2 of Brazil, 16 days; forest, pasture, natural non-forest
    landsat/amazonia_tc_*, pantanal_*            Landsat 8 of Brazil, six bands; labels of MapBiomas
    korea-parcels/                               Sentinel-2 of Korean parcels; greenhouses, orchards, vegetables
    dynamic-world-points/                        L1C of the United States; Dynamic World's own classes, often wrong

What a label says about a place is a mixture of kinds of place (`kinds_of_place`): one where the label is exact, several
where it is broad. Where it says nothing that can be seen the place has none, and a teacher is asked instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import Outliers
from timesenclip.eo.points.read import read_attributes, read_points
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.read_files import read_json
from timesenclip.series import PixelSeries
from timesenclip.train.field_notes.notes import kinds_of_place

__all__ = ["REGIONS", "RealSet", "read_real_sets"]

REGIONS: tuple[str, ...] = (
    "corsica",
    "south-west-france",
    "flanders",
    "east-africa",
    "rondonia",
    "roraima",
    "amazonia",
    "pantanal",
    "korea",
    "united-states",
)
"""Regions of the sets, by the names that `world.leave_out` takes."""

Mixture = Mapping[str, float]
_SAVANNA: Mixture = {"savanna woodland": 0.4, "savanna grassland": 0.4, "thorn scrub savanna": 0.2}

_CROPS: dict[str, str] = {
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
    "fibre_crops": "cotton",
}
_COVERS: dict[str, str] = {
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
_BRAZIL: dict[str, str | Mixture] = {
    "pasture": "tropical pasture",
    "forest": {"tropical rainforest": 0.7, "any woodland": 0.3},
    "natnonforest": _SAVANNA,
    "pastagem": "tropical pasture",
    "formação florestal": {"tropical rainforest": 0.4, "tropical dry forest": 0.3, "any woodland": 0.3},
    "formação savãnica": {"savanna woodland": 0.7, "thorn scrub savanna": 0.3},
    "formação campestre": {"savanna grassland": 0.8, "any grassland": 0.2},
    "lavoura temporária": {"double cropped field": 0.5, "soybean": 0.2, "any crops": 0.3},
    "agricultura": {"double cropped field": 0.4, "soybean": 0.2, "any crops": 0.4},
    "campo alagado e área pantanosa": {"tropical swamp and floodplain": 0.7, "any wetland": 0.3},
    "rio, lago e oceano": "any water",
    "infraestrutura urbana": "any built-up",
    "afloramento rochoso": {"mountain rock and scree": 0.5, "any bare land": 0.5},
    "mineração": "quarry and bare earth",
}
_KOREA: dict[str, str | Mixture] = {
    "greenhouse": "greenhouses",
    "pear": "orchard",
    "apple": "orchard",
    "peach": "orchard",
    "kiwifruit": "orchard",
    "grape": "vineyard",
    "citron": "citrus grove",
    "garlic": "vegetables",
    "onion": "vegetables",
    "napa cabbage": "vegetables",
    "radish": "vegetables",
    "chili pepper": "vegetables",
    "soybean": "soybean",
    "maize": "maize",
    "sweet potato": "cassava and roots",
    "sesame": "any crops",
    "perilla": "any crops",
    "sudangrass": "any crops",
}
_UNSEEN = ("deforestation",)
"""Labels of change within the year: neither what was before nor what came after is right."""


@dataclass(frozen=True, slots=True)
class RealSet:
    """Real series of one region."""

    region: str
    """One of `REGIONS`."""
    title: str
    """What it is, for the card."""
    series: PixelSeries
    """N series of monthly composites, each with at least one clear step."""
    label: tuple[str, ...]
    """(N,) label as the set has it; empty where it has none."""
    mixture: NDArray[np.float32]
    """(N, kinds) what the label says, rows sum to one, or to zero where it says nothing that can be seen."""
    votes: NDArray[np.float32] | None = None
    """(N, 9) share of the steps that Dynamic World itself gave each class, where the set tells; never exact."""

    def __len__(self) -> int:
        """Number of series, N."""
        return len(self.series)

    def take(self, index: NDArray[np.integer]) -> RealSet:
        """The places at `index`."""
        labels = tuple(self.label[i] for i in index)
        votes = None if self.votes is None else self.votes[index]
        return replace(self, series=self.series.take(index), label=labels, mixture=self.mixture[index], votes=votes)

    def labelled(self) -> RealSet:
        """The places whose label says something that can be seen."""
        return self.take(np.flatnonzero(self.mixture.sum(axis=1) > 0))


@dataclass(frozen=True, slots=True)
class _Spec:
    region: str
    title: str
    file: str
    labels: Callable[[Path, Path], list[str]]
    kinds: Mapping[str, str | Mixture]
    period: str | None = None


def read_real_sets(
    folder: str | Path,
    *,
    leave_out: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    outliers: Outliers = "keep",
) -> list[RealSet]:
    """Read the sets of a folder.

    Args:
        folder: holds some of the sets, each under its own name.
        leave_out: regions that are not read.
        only: regions that are read; default: all.
        outliers: as `read_points`; they are kept for training, because encoders are to bear clouds.

    Raises:
        DataNotFoundError: there is none of them.
        InputError: an unknown region, or a table that cannot be read.
    """
    root = Path(folder)
    unknown = [name for name in (*leave_out, *only) if name not in REGIONS]
    if unknown:
        raise InputError(f"Unknown region '{unknown[0]}'; expected one of {', '.join(REGIONS)}.")
    wanted = [name for name in only or REGIONS if name not in leave_out]
    found = [spec for spec in _SPECS if (root / spec.file).is_file()]
    points = root / "dynamic-world-points"
    american = [name for name in ("algae_blooms", "fuel_moisture") if (points / f"{name}_latlon.npy").is_file()]
    if not found and not american:
        names = ", ".join(sorted({spec.file.split("/")[0] for spec in _SPECS} | {points.name}))
        raise DataNotFoundError(f"No set of real series in '{root}'; expected some of the folders {names}.")
    sets = [_read(root, spec, outliers) for spec in found if spec.region in wanted]
    if "united-states" in wanted:
        sets += [_dynamic_world(points, name) for name in american]
    return sets


def _read(root: Path, spec: _Spec, outliers: Outliers) -> RealSet:
    table = root / spec.file
    series = read_points(table, period=spec.period, outliers=outliers)
    labels = spec.labels(root, table)
    seen = series.valid.any(axis=1) & ~np.isin([label.lower() for label in labels], _UNSEEN)
    index = np.flatnonzero(seen)
    kept = tuple(labels[i] for i in index)
    return RealSet(spec.region, spec.title, series.take(index), kept, _mixtures(kept, spec.kinds))


def _mixtures(labels: tuple[str, ...], kinds: Mapping[str, str | Mixture]) -> NDArray[np.float32]:
    """(N, kinds) what labels say."""
    names = {name: i for i, name in enumerate(kinds_of_place())}
    out = np.zeros((len(labels), len(names)), dtype=np.float32)
    for row, label in enumerate(labels):
        said = kinds.get(label.lower(), {})
        for kind, share in ({said: 1.0} if isinstance(said, str) else said).items():
            out[row, names[kind]] = share
    return out


def _column(name: str) -> Callable[[Path, Path], list[str]]:
    def labels(_root: Path, table: Path) -> list[str]:
        return read_attributes(table, [name])[name].astype(str).tolist()

    return labels


def _worldcereal(root: Path, table: Path) -> list[str]:
    """Crop, where the table of classes has one that we know, else the land cover."""
    codes = read_json(root / "worldcereal/class_mappings.json", what="table of classes")
    found = read_attributes(table, ["ewoc_code"])["ewoc_code"].astype(str)
    cover, crop = codes["LANDCOVER10"], codes["CROPTYPE24"]
    return [
        crop[code] if cover.get(code) == "temporary_crops" and crop.get(code) in _CROPS else cover.get(code, "ignore")
        for code in found
    ]


_WORLDCEREAL = _CROPS | _COVERS
_WET_YEAR = "2018-07..2019-06"
_SPECS: tuple[_Spec, ...] = (
    *(
        _Spec(region, f"WorldCereal, {where}", f"worldcereal/{file}", _worldcereal, _WORLDCEREAL)
        for region, where, file in (
            ("corsica", "Corsica", "2022_FRA_LPIS_POLY_110.geoparquet"),
            ("south-west-france", "south-west France", "2023_FRA_LPIS_POLY_110.geoparquet"),
            ("flanders", "Flanders", "2021_BEL_dummy.parquet"),
            ("east-africa", "East Africa", "test_public_extractions.parquet"),
        )
    ),
    _Spec(
        "rondonia",
        "Rondonia 2018",
        "rondonia-2018/amazonia_2018.parquet",
        _column("label"),
        _BRAZIL,
        _WET_YEAR,
    ),
    _Spec(
        "roraima", "Roraima 2018", "roraima-2018/roraima_2018.parquet", _column("label"), _BRAZIL, "2018-07..2019-06"
    ),
    _Spec("amazonia", "Amazonia, Landsat", "landsat/amazonia_tc_oli_2018.parquet", _column("label"), _BRAZIL),
    _Spec("pantanal", "Pantanal, Landsat", "landsat/pantanal_oli_2018.parquet", _column("label"), _BRAZIL),
    _Spec("korea", "Korean parcels", "korea-parcels/korea_parcels.parquet", _column("label"), _KOREA, "2022"),
)

_L1C_CHANNELS = (2, 3, 4, 5, 6, 7, 8, 9, 11, 12)  # of 18: S1, then B2..B12 with B9, weather, terrain, NDVI


def _dynamic_world(folder: Path, name: str) -> RealSet:
    """Points of the United States, top of atmosphere; a step is a month, whose year is not told."""

    def load(part: str) -> NDArray[np.float64]:
        return np.asarray(np.load(folder / f"{name}_{part}.npy", allow_pickle=False))

    values = load("s1_s2_era5_srtm")[:, :, list(_L1C_CHANNELS)] / 1e4  # (N, T, C)
    month, place = load("month").astype(np.int64), load("latlon")
    seen = values > 0
    start = np.datetime64("2019-01", "M") + month[:, :1] + np.arange(values.shape[1])  # (N, T)
    series = PixelSeries(
        reflectance=np.where(seen, np.clip(values, 0, 1.5), 0).astype(np.float32),
        valid=np.asarray(np.any(seen, axis=2)),
        start=start.astype("datetime64[D]"),
        end=(start + 1).astype("datetime64[D]"),
        sample_id=tuple(f"{name}-{i}" for i in range(len(values))),
        lon_deg=place[:, 1].astype(np.float64),
        lat_deg=place[:, 0].astype(np.float64),
        provenance={"source": f"{name}, L1C"},
        band_valid=seen,
    )
    kept = np.flatnonzero(series.valid.any(axis=1))
    votes = np.eye(10, dtype=np.float32)[load("dynamic_world").astype(np.int64)].mean(axis=1)[:, :9]  # (N, 9)
    nothing = np.zeros((len(series), len(kinds_of_place())), dtype=np.float32)
    title = f"United States, {name.replace('_', ' ')} (L1C)"
    return RealSet("united-states", title, series, ("",) * len(series), nothing, votes).take(kept)
