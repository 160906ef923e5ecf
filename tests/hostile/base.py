"""Valid inputs of every format, made once; cases copy them and break the copies."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np

__all__ = ["make_base"]

IDS = [f"4686{i:04d}" for i in range(16)]


def make_base(folder: Path) -> None:
    """Write every valid input below a folder."""
    import timesenclip
    from timesenclip import testing

    folder.mkdir(parents=True)
    shutil.copytree(Path(timesenclip.__file__).parent / "weights" / "default", folder / "checkpoint")
    shutil.copytree(Path(timesenclip.__file__).parent / "weights" / "compact-text", folder / "tower")
    series = testing.random_series(6)
    testing.write_wide_table(series, folder / "wide.parquet")
    testing.write_wide_table(series, folder / "wide.csv")
    testing.write_long_table(series, folder / "long.parquet")
    _labelled(folder)
    cube = testing.random_cube((16, 16), dates=4)
    testing.write_netcdf_cube(cube, folder / "cube")
    testing.write_zarr_cube(cube, folder / "cube.zarr")
    testing.write_geotiff_stack(cube, folder / "stack")
    _zones(folder / "zones.geojson")
    _training(folder)
    for arguments in (
        ["embed-area", "cube", "-o", "store.zarr"],
        ["adapt", "labelled.parquet", "--labels", "kind", "-p", "maize", "-p", "forest", "-o", "head"],
        ["data", "sen4map", "sen4map.h5", "-o", "training.zarr"],
        ["map", "cube", "-p", "maize", "-p", "forest", "--zones", "zones.geojson", "-o", "warm-map"],
        ["classify", "wide.csv", "-p", "maize", "-p", "forest"],
    ):
        _command(folder, arguments)


def _command(folder: Path, arguments: list[str]) -> None:
    from timesenclip.cli.commands import main

    os.chdir(folder)
    sys.argv = ["timesenclip", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"{arguments} ended with {end.code}") from end


def _labelled(folder: Path) -> None:
    import pandas as pd

    from timesenclip import testing

    testing.write_wide_table(testing.random_series(24), folder / "labelled.parquet")
    frame = pd.read_parquet(folder / "labelled.parquet")
    frame["kind"] = ["maize", "forest"] * 12
    frame.to_parquet(folder / "labelled.parquet")


def _zones(path: Path) -> None:
    """Two polygons over the cube of `testing.random_cube`, which lies at the upper left corner of 500000, 5600000."""
    from rasterio.warp import transform_bounds

    w, s, e, n = transform_bounds("EPSG:32631", "EPSG:4326", 500_000, 5_599_840, 500_160, 5_600_000)
    middle = (w + e) / 2
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [[[a, s], [b, s], [b, n], [a, n], [a, s]]]},
        }
        for name, a, b in (("west", w, middle), ("east", middle, e))
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def _training(folder: Path) -> None:
    """Files of Sen4Map, embeddings of photographs and photographs."""
    from timesenclip import testing

    rng = np.random.default_rng(0)
    series = testing.random_series(len(IDS), year=2018)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, len(IDS)))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, len(IDS)))
    labels = [{"lc1": ["B11", "C10"][i % 2], "lu1": "U111", "nuts0": "BE"} for i in range(len(IDS))]
    testing.write_sen4map(folder / "sen4map.h5", IDS, series=series, labels=labels, side=12, acquisitions=30)
    vectors = {f"BE_{p}{v}": rng.normal(size=256).astype(np.float32) for p in IDS for v in "WENS"}
    testing.write_lucas_embeddings(folder / "ground.pt", vectors)
    photos = {f"{p}{v}": rng.integers(0, 255, (20, 30, 3), dtype=np.uint8) for p in IDS[:2] for v in "NS"}
    testing.write_lucas_photos(folder / "photos", photos)
    from tests.unit.ground.tiny_models import save_tiny_clip

    save_tiny_clip(folder / "clip")
