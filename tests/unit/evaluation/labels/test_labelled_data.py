"""One reader for labelled points, cubes and training stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from timesenclip.data.store_writer import store_points
from timesenclip.eo.cube.open import read_cube
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


def test_an_offset_is_removed_as_the_readers_remove_it(tmp_path: Path) -> None:
    table = _table(tmp_path / "a.parquet")
    plain = read_labelled(table, "kind", taxonomy=NAMES).samples.series
    less = read_labelled(table, "kind", taxonomy=NAMES, offset_dn=100).samples.series
    difference = (plain.reflectance - less.reflectance)[plain.valid & less.valid]
    assert len(difference)
    np.testing.assert_allclose(difference.max(), 0.01, atol=1e-6)
    folder = write_netcdf_cube(random_cube((4, 6)), tmp_path / "cube")
    xr.Dataset({"lc": (("y", "x"), np.ones((4, 6), np.int16))}).to_netcdf(tmp_path / "l.nc", engine="h5netcdf")
    stated = {"provider": "planetary-computer", "baseline": "05.09"}
    found = read_labelled(folder, f"{tmp_path / 'l.nc'}:lc", taxonomy=NAMES, mapping={"1": "maize"}, **stated)
    assert found.cube is not None
    assert found.cube.reflectance.tobytes() == read_cube(folder, **stated).reflectance.tobytes()
    assert found.cube.reflectance.tobytes() != read_cube(folder).reflectance.tobytes()


def test_options_of_another_kind_of_input_are_refused(tmp_path: Path) -> None:
    table = _table(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"provider cdse was given, but it has no effect on the table of points"):
        read_labelled(table, "kind", taxonomy=NAMES, provider="cdse")
    folder = write_netcdf_cube(random_cube((4, 6)), tmp_path / "cube")
    with pytest.raises(InputError, match=r"step 10 was given, but it has no effect on the cube"):
        read_labelled(folder, "x.nc:lc", taxonomy=NAMES, step=10)
    store_points([random_series(6)], tmp_path / "store.zarr", source="test")
    with pytest.raises(InputError, match=r"offset_dn 1000 was given, but it has no effect on the training store"):
        read_labelled(tmp_path / "store.zarr", "kind", taxonomy=NAMES, offset_dn=1000)


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
