"""The evaluation suite over every labelled set in ../shared/data: one folder with report.html for each.

    python benchmarks/suite_shared_data.py OUT [NAME ...]

WorldCereal points: the shipped checkpoint learned from two fifths of their blocks of land and was calibrated on one, so
only the blocks that it never saw are asked. Dynamic World points are top-of-atmosphere (L1C), which the checkpoint was
not made for; their label is the most frequent one of the year. The BigEarthNet example is left out: six patches of one
date each, with several labels a patch.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.cube.open import read_cube
from timesenclip.errors import TimeSenCLIPWarning
from timesenclip.evaluation.labels.labelled import (
    LabelledSet,
    labelled_cube,
    labelled_points,
    parse_mapping,
    read_labels,
)
from timesenclip.evaluation.suite.run import run_suite
from timesenclip.ground.taxonomy import load_taxonomy, taxonomy_from_phrases
from timesenclip.series import PixelSeries
from timesenclip.spatial import spatial_blocks, spatial_choice, spatial_folds
from timesenclip.train.field_notes.worldcereal import PARTS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_COVER = (
    "temporary_crops=Cropland,temporary_grasses=Cropland,permanent_crops=Cropland,grasslands=Grassland,trees=Woodland,"
    "shrubland=Shrubland,built_up=Artificial Land,water=Water,wetlands=Wetlands,bare_sparsely_vegetated=Bare Land"
)
_CROPS = {
    "maize": "maize",
    "wheat": "wheat",
    "triticale": "wheat",
    "barley": "barley",
    "rye": "barley",
    "sorghum": "sorghum",
    "millet": "sorghum",
    "sunflower": "sunflower",
    "rapeseed_rape": "rapeseed",
    "soy_soybeans": "soybean",
    "grass_fodder_crops": "grassland",
}
_HELD_OUT = "Only blocks of land that the shipped checkpoint neither learned from nor was calibrated on."
_BANDS_OF_FILE = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_DYNAMIC_WORLD = ("water", "trees", "grass", "flooded vegetation", "crops", "shrub and scrub", "built", "bare", "snow")

Found = tuple[LabelledSet, tuple[str, ...]]


def land_cover() -> Found:
    """LUCAS land cover of the WorldCereal points, held-out blocks."""
    folder = DATA / "worldcereal"
    data = labelled_points(
        sorted(folder.glob("*parquet")),
        label_column="ewoc_code",
        taxonomy=load_taxonomy("lucas-land-cover"),
        mapping=[parse_mapping(f"{folder / 'class_mappings.json'}:LANDCOVER10"), parse_mapping(_COVER)],
    )
    return _held_out(replace(data, title="WorldCereal, four tables")), (_HELD_OUT,)


def crops() -> Found:
    """Crops and grassland of the WorldCereal points, held-out blocks."""
    folder = DATA / "worldcereal"
    data = labelled_points(
        sorted(folder.glob("*parquet")),
        label_column="ewoc_code",
        taxonomy=taxonomy_from_phrases(list(dict.fromkeys(_CROPS.values())), name="crops"),
        mapping=[parse_mapping(f"{folder / 'class_mappings.json'}:CROPTYPE24"), _CROPS],
    )
    return _held_out(replace(data, title="WorldCereal, four tables")), (_HELD_OUT,)


def flanders() -> Found:
    """Parcels of the Flanders patch, 2018."""
    folder = DATA / "s2-flanders-2018"
    data = labelled_cube(
        read_cube(folder, period=2018),
        read_labels(f"{next(folder.glob('OUTPUT_*.nc'))}:CT"),
        taxonomy=taxonomy_from_phrases(["maize", "grassland", "forest", "houses and roads"]),
        mapping={"1200": "maize", "9120": "grassland"},
        title="Flanders 2018, one patch of 64 x 64 pixels",
    )
    return data, ("One small patch: strips of it are no independent places.",)


def dynamic_world(name: str) -> Found:
    """Dynamic World labels of US points, top-of-atmosphere."""
    folder = DATA / "dynamic-world-points"
    values = np.load(folder / f"{name}_s1_s2_era5_srtm.npy")[:, :, 2:13]  # (N, T, 11)
    labels, month = np.load(folder / f"{name}_dynamic_world.npy"), np.load(folder / f"{name}_month.npy")
    lat, lon = np.load(folder / f"{name}_latlon.npy").T
    month = month.reshape(len(values), -1)
    if month.shape[1] == 1:
        month = month + np.arange(values.shape[1])
    rolled = month + 12 * np.cumsum(np.diff(month, axis=1, prepend=month[:, :1]) < 0, axis=1)
    start = (np.datetime64("2020-01", "M") + rolled).astype("datetime64[D]")
    reflectance = values[:, :, [_BANDS_OF_FILE.index(band) for band in BAND_NAMES]] / 10_000
    valid = np.isfinite(reflectance).all(axis=2) & (reflectance > 0).all(axis=2) & (reflectance < 3).all(axis=2)
    series = PixelSeries(
        reflectance=np.where(valid[..., None], reflectance, 0).astype(np.float32),
        valid=valid,
        start=start,
        end=(start.astype("datetime64[M]") + 1).astype("datetime64[D]"),
        sample_id=tuple(map(str, range(len(values)))),
        lon_deg=lon.astype(np.float64),
        lat_deg=lat.astype(np.float64),
        provenance={"source": f"{name} (nasaharvest/presto), Sentinel-2 L1C"},
    )
    counts = np.stack([(labels.reshape(len(values), -1) == k).sum(axis=1) for k in range(9)], axis=1)
    taxonomy = load_taxonomy("dynamic-world")
    truth = np.array([_named(taxonomy.names, _DYNAMIC_WORLD[k]) for k in counts.argmax(axis=1)])
    keep = (counts.max(axis=1) > 0) & valid.any(axis=1)
    block = spatial_blocks(lat_deg=series.lat_deg, lon_deg=series.lon_deg)
    skipped = {"none": int((~keep).sum())} if (~keep).any() else {}
    data = LabelledSet(
        name, series, truth, taxonomy, block, spatial_folds(block, folds=4), "blocks of 0.25 degrees", skipped
    )
    notes = (
        "Top-of-atmosphere reflectance (L1C): the checkpoint was made for surface reflectance.",
        "The label is the most frequent Dynamic World label of the months, itself a model's answer.",
        "Clouds are not masked: where the label is water, the median reflectance at 1.6 micrometres is "
        f"{np.median(reflectance[(truth == 0)][:, :, BAND_NAMES.index('B11')]):.2f}.",
    )
    return data.take(keep), notes


SETS: dict[str, Callable[[], Found]] = {
    "worldcereal-land-cover": land_cover,
    "worldcereal-crops": crops,
    "flanders-maize-grassland": flanders,
    "dynamic-world-algae": lambda: dynamic_world("algae_blooms"),
    "dynamic-world-fuel": lambda: dynamic_world("fuel_moisture"),
}


def main() -> None:
    """Run the sets that are named, or all."""
    out, wanted = Path(sys.argv[1]), sys.argv[2:] or list(SETS)
    warnings.simplefilter("ignore", TimeSenCLIPWarning)
    for name in wanted:
        begin = time.perf_counter()
        data, notes = SETS[name]()
        result = run_suite(None, data, out=out / name, notes=notes)
        print(f"\n{name}: {len(data)} samples, {len(data.present)} classes, {time.perf_counter() - begin:.0f} s")
        for method, found in result.findings.comparison.methods.items():
            low, high = found.intervals.get("balanced_accuracy", (float("nan"), float("nan")))
            print(
                f"  {method:28s} accuracy {found.accuracy:.3f}  balanced {found.balanced_accuracy:.3f} "
                f"[{low:.3f}, {high:.3f}]  macro F1 {found.macro_f1:.3f}"
            )


def _held_out(data: LabelledSet) -> LabelledSet:
    part = spatial_choice(PARTS, lat_deg=data.series.lat_deg, lon_deg=data.series.lon_deg)
    return data.take(part == "test")


def _named(names: tuple[str, ...], start: str) -> int:
    found = [k for k, name in enumerate(names) if name.lower().startswith(start.split()[0])]
    if len(found) != 1:
        raise ValueError(f"'{start}' is not one of {', '.join(names)}")
    return found[0]


if __name__ == "__main__":
    main()
