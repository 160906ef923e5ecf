"""One reader for labelled points, cubes and training stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from timesenclip.data.store import store_points
from timesenclip.errors import InputError
from timesenclip.evaluation.labels.labelled import labelled_points
from timesenclip.evaluation.labels.labelled_data import read_labelled
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.testing import random_cube, random_series, write_netcdf_cube, write_wide_table

NAMES = taxonomy_from_phrases(["maize", "lake"])


def _table(path: Path, count: int = 6) -> Path:
    write_wide_table(random_series(count), path)
    pd.read_parquet(path).assign(kind=["maize", "lake"] * (count // 2)).to_parquet(path)
    return path


def test_tables_are_joined_as_labelled_points_joins_them(tmp_path: Path) -> None:
    files = [_table(tmp_path / "a.parquet"), _table(tmp_path / "b.parquet", 4)]
    found = read_labelled(files, "kind", taxonomy=NAMES)
    wanted = labelled_points(files, label_column="kind", taxonomy=NAMES)
    assert (found.unit, found.cube) == ("points", None)
    assert found.samples.truth.tolist() == wanted.truth.tolist()
    assert found.samples.series.sample_id == wanted.series.sample_id


def test_a_cube_takes_a_raster_and_is_kept(tmp_path: Path) -> None:
    folder = write_netcdf_cube(random_cube((4, 6)), tmp_path / "cube")
    labels = np.array([[1, 2, 1, 2, 1, 9]] * 4, dtype=np.int16)
    xr.Dataset({"lc": (("y", "x"), labels)}).to_netcdf(tmp_path / "labels.nc", engine="h5netcdf")
    raster = f"{tmp_path / 'labels.nc'}:lc"
    chain = [{"1": "corn", "2": "water"}, {"corn": "maize", "water": "lake"}]
    found = read_labelled(folder, raster, taxonomy=NAMES, mapping=chain)
    assert found.unit == "pixels"
    assert found.cube is not None
    assert found.cube.shape == (4, 6)
    assert found.samples.skipped == {"9": 4}
    assert len(found.samples) == 20


def test_a_training_store_holds_places(tmp_path: Path) -> None:
    series = random_series(6)
    store_points([series], tmp_path / "store.zarr", source="test")
    index = tmp_path / "store.zarr" / "index.parquet"
    pd.read_parquet(index).assign(kind=["maize", "lake"] * 3).to_parquet(index)
    found = read_labelled(tmp_path / "store.zarr", "kind", taxonomy=NAMES)
    assert (found.unit, len(found.samples)) == ("places", 6)
    with pytest.raises(InputError, match=r"2 inputs were given, the first a training store"):
        read_labelled([tmp_path / "store.zarr"] * 2, "kind", taxonomy=NAMES)


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data sen4map .*test.h5 -o test.zarr"):
        read_labelled(tmp_path / "test.h5", "lc1", taxonomy=NAMES)
    with pytest.raises(InputError, match=r"2 inputs were given, the first a cube"):
        read_labelled([tmp_path / "a.nc", tmp_path / "b.nc"], "x.nc:lc", taxonomy=NAMES)


def test_a_draw_keeps_the_order_and_repeats(tmp_path: Path) -> None:
    found = read_labelled(_table(tmp_path / "a.parquet", 12), "kind", taxonomy=NAMES)
    drawn = found.drawn(5, seed=3)
    place = [found.samples.series.sample_id.index(name) for name in drawn.samples.series.sample_id]
    assert len(place) == 5
    assert place == sorted(place)
    assert drawn.samples.series.sample_id == found.drawn(5, seed=3).samples.series.sample_id
    assert len(found.drawn(99).samples) == 12
