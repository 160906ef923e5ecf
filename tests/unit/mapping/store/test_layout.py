from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
import zarr
from affine import Affine

from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.store.layout import write_layout


def test_xarray_reads_the_store_with_its_place_on_earth(embedded: StoreResult) -> None:
    info = embedded.store.info
    data = xr.open_zarr(embedded.store.path, consolidated=False, decode_coords="all")
    assert data["vectors"].dims == ("y", "x", "d")
    a, _, c, _, e, f = info.transform[:6]
    assert float(data.x[0]) == c + a / 2
    assert float(data.y[-1]) == f + e * (info.shape[0] - 0.5)
    wkt = data.spatial_ref.attrs["crs_wkt"]
    assert rasterio.crs.CRS.from_wkt(wkt) == rasterio.crs.CRS.from_user_input(info.crs)
    numbers = [float(v) for v in data.spatial_ref.attrs["GeoTransform"].split()]
    assert rasterio.Affine.from_gdal(*numbers) == info.transform
    unit = data["vectors"].values * data["scale"].values[..., None]
    seen = data["scale"].values > 0
    lengths = np.linalg.norm(unit[seen], axis=-1)
    assert lengths.max() < 1.01
    assert lengths.mean() > 0.95
    assert data["clear"].values[:8, :6].max() == 0
    assert (data["clear"].values[seen] > 0).all()


def test_a_small_block_needs_no_shards_and_a_large_one_has_one(embedded: StoreResult, tmp_path: Path) -> None:
    """GDAL 3.12 reads stores without shards whole; of others it says `Unsupported codec: sharding_indexed`."""
    info = embedded.store.info.model_copy(update={"block": 256, "chunk": 128, "shape": (300, 300), "dims": 256})
    write_layout(zarr.open_group(tmp_path / "large.zarr", mode="w", zarr_format=3), info, None)
    for path, codec in ((embedded.store.path, "bytes"), (tmp_path / "large.zarr", "sharding_indexed")):
        for name in ("vectors", "scale", "clear", "colour"):
            about = json.loads((path / name / "zarr.json").read_text())
            assert about["codecs"][0]["name"] == (codec if name == "vectors" else "bytes")
            assert "wkt" in about["attributes"]["_CRS"]
    assert not (tmp_path / "large.zarr" / "basis").exists()


def test_every_level_has_its_own_grid(embedded: StoreResult, tmp_path: Path) -> None:
    info = embedded.store.info.model_copy(update={"shape": (300, 500)})
    group = zarr.open_group(tmp_path / "large.zarr", mode="w", zarr_format=3)
    write_layout(group, info, embedded.store.projection)
    assert group["level1/scale"].shape == (150, 250)
    assert np.asarray(group["level1/x"])[0] == info.transform[2] + info.transform[0]  # half of a pixel of 20 m
    assert np.array_equal(np.asarray(group["basis"]), embedded.store.projection.basis)


def test_a_rotated_grid_has_no_coordinates(embedded: StoreResult, tmp_path: Path) -> None:
    rotated = embedded.store.info.model_copy(update={"transform": Affine(10.0, 1.0, 5e5, 1.0, -10.0, 5.6e6)})
    group = zarr.open_group(tmp_path / "rotated.zarr", mode="w", zarr_format=3)
    write_layout(group, rotated, None)
    assert "x" not in group
    assert group["spatial_ref"].attrs["GeoTransform"] == "500000.0 10.0 1.0 5600000.0 1.0 -10.0"
