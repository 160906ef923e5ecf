"""One small area for the tests of maps: 32 x 48 pixels, a corner of which was never seen, and its embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from timesenclip.eo.cube.open import open_cube
from timesenclip.eo.cube.source import CubeSource
from timesenclip.mapping.embed_area import StoreResult, embed_area
from timesenclip.mapping.output.layers import AreaGrid
from timesenclip.mapping.query import Query, make_query
from timesenclip.model.checkpoint import Model, load
from timesenclip.testing import random_cube, write_netcdf_cube

PHRASES = ["maize", "grassland", "water"]


@pytest.fixture(scope="package")
def model() -> Model:
    return load()


@pytest.fixture(scope="package")
def area(tmp_path_factory: pytest.TempPathFactory) -> CubeSource:
    """Six dates; rows 0-8 of columns 0-6 were never seen."""
    cube = random_cube((32, 48), cloudy=0.3)
    cube.valid[:, :8, :6] = False
    cube.reflectance[...] *= cube.valid[:, None]
    return open_cube(write_netcdf_cube(cube, tmp_path_factory.mktemp("area") / "cube"), dilate_px=0)


@pytest.fixture(scope="package")
def embedded(area: CubeSource, model: Model, tmp_path_factory: pytest.TempPathFactory) -> StoreResult:
    """The area in six blocks, 64 dimensions."""
    return embed_area(area, tmp_path_factory.mktemp("store") / "area.zarr", model=model, dims=64, block=16, workers=1)


@pytest.fixture(scope="package")
def query(model: Model) -> Query:
    return make_query(model, PHRASES)


@pytest.fixture
def grid() -> AreaGrid:
    """20 x 30 pixels of 10 m."""
    return AreaGrid((20, 30), "EPSG:32631", Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0))


@pytest.fixture
def scores() -> np.ndarray:
    """(600, 3) cosines of 20 x 30 pixels, the first row of which was never seen."""
    made = np.random.default_rng(0).uniform(0.0, 0.6, (600, 3)).astype(np.float32)
    made[:30] = np.nan
    return made
