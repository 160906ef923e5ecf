"""A patch with parcels of maize and grassland."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.unit.train.field_notes.small_world import random_model
from timesenclip.errors import DataNotFoundError
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.testing import random_cube, write_netcdf_cube
from timesenclip.train.field_notes.patch import measure_patch

DAYS = 3 * 365 + 1  # from 2021 back to 2018


@pytest.fixture(scope="module")
def patch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cube = random_cube((16, 16), dates=6, cloudy=0.0)
    folder = write_netcdf_cube(
        replace(cube, start=cube.start - DAYS, end=cube.end - DAYS), tmp_path_factory.mktemp("patch")
    )
    codes = np.full((16, 16), 1200, np.int32)
    codes[8:], codes[:, 0] = 9120, 5
    xr.Dataset({"CT": (("y", "x"), codes)}).to_netcdf(folder / "OUTPUT_parcels.nc", engine="h5netcdf")
    return folder


@pytest.mark.filterwarnings("ignore::timesenclip.errors.TimeSenCLIPWarning")
def test_parcels_are_answered_with_and_without_unknown(patch: Path) -> None:
    found = measure_patch(random_model(), patch, Calibration(temperature=0.05, unknown_score=1.0), seed=0)
    assert found.answered.count == 15 * 16
    assert [row.name for row in found.answered.classes] == ["maize", "grassland"]
    assert found.answered.unknown_share == 0
    assert found.shipped.unknown_share == 1
    assert found.shipped.accuracy == 0
    assert found.forest is not None
    assert "accuracy" in found.answered.intervals


def test_a_patch_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"OUTPUT_\*\.nc"):
        measure_patch(random_model(), tmp_path, Calibration(), seed=0)
