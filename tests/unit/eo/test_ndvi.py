from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.eo.ndvi import ndvi
from timesenclip.testing import random_series


def test_complete_series_have_an_index_at_every_valid_step() -> None:
    series = random_series(5)
    index, known = ndvi(series)
    red, nir = series.reflectance[..., 2], series.reflectance[..., 6]
    assert np.array_equal(known, series.valid)
    assert np.array_equal(index, (nir - red) / np.maximum(nir + red, 1e-6))


@pytest.mark.parametrize(("sensor", "nir"), [("landsat", 7), ("sentinel-2-10m", 6), ("rgb", None)])
def test_the_near_infrared_that_is_there_is_taken(sensor: str, nir: int | None) -> None:
    whole = random_series(5, missing=0)
    bands = np.broadcast_to(np.isin(BAND_NAMES, SENSORS[sensor]), whole.reflectance.shape)
    series = replace(whole, band_valid=bands, reflectance=np.where(bands, whole.reflectance, 0).astype(np.float32))
    index, known = ndvi(series)
    if nir is None:
        assert not known.any()
        assert not index.any()
        return
    red, infrared = whole.reflectance[..., 2], whole.reflectance[..., nir]
    assert known.all()
    assert np.allclose(index, (infrared - red) / (infrared + red))
