from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.errors import DataNotFoundError, GridError, InputError
from timesenclip.evaluation.labels.label_raster import read_labels
from timesenclip.testing import random_cube


def _written(path: Path, values: Any, **profile: Any) -> str:
    import rasterio

    cube = random_cube((8, 12))
    base = {"driver": "GTiff", "count": 1, "height": 8, "width": 12, "crs": cube.crs, "transform": cube.transform}
    with rasterio.open(path, "w", **{**base, "dtype": values.dtype, **profile}) as file:
        file.write(values, 1)
    return str(path)


@pytest.mark.parametrize("name", ["labels.tif", "labels.nc", "points.parquet"])
def test_a_label_raster_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text("no raster")
    with pytest.raises(DataNotFoundError, match=rf"Cannot read labels from '.*{name}' \("):
        read_labels(f"{file}:CT" if name.endswith(".nc") else str(file))


@pytest.mark.parametrize("kind", ["u1", "i2", "f4"])
def test_whole_numbers_of_every_type_are_labels(kind: str, tmp_path: Path) -> None:
    values = np.arange(96).reshape(8, 12).astype(kind)
    found = read_labels(_written(tmp_path / "labels.tif", values), on=random_cube((8, 12)))
    assert np.array_equal(found, np.arange(96).reshape(8, 12))


def test_nan_is_no_label(tmp_path: Path) -> None:
    values = np.ones((8, 12), np.float32)
    values[0, 0] = np.nan
    found = read_labels(_written(tmp_path / "labels.tif", values))
    assert found[0, 0] < -1e18
    assert (found.ravel()[1:] == 1).all()


@pytest.mark.parametrize("value", [1.5, np.inf, 1e300, 1j])
def test_values_that_are_no_codes_are_refused(value: Any, tmp_path: Path) -> None:
    values = np.full((8, 12), value, np.complex64 if isinstance(value, complex) else np.float64)
    with pytest.raises(InputError, match="expected whole numbers"):
        read_labels(_written(tmp_path / "labels.tif", values))


def test_labels_of_another_grid_are_refused(tmp_path: Path) -> None:
    cube = random_cube((8, 12))
    values = np.ones((8, 12), np.uint8)
    shifted = cube.transform @ cube.transform.translation(1, 0)
    for i, profile in enumerate(({"transform": shifted}, {"crs": "EPSG:32633"})):
        with pytest.raises(GridError, match="put them on one grid"):
            read_labels(_written(tmp_path / f"{i}.tif", values, **profile), on=cube)
    with pytest.raises(GridError, match="put them on one grid"):
        read_labels(_written(tmp_path / "small.tif", values), on=random_cube((8, 11)))
    assert read_labels(_written(tmp_path / "bare.tif", values, crs=None), on=cube).all()
