"""The readers on real files: WorldCereal's tables and a year of Sentinel-2 over Flanders."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine

from timesenclip.bands import band_index
from timesenclip.eo.area import read_blocks
from timesenclip.eo.cube.open import open_cube, read_cube
from timesenclip.eo.points.read import iter_points, read_attributes, read_points
from timesenclip.errors import DegradedInputWarning
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import CheckpointConfig, encoder_fields
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.model.substitute import with_near_infrared

_CONFIG = {
    "name": "t",
    "encoder": encoder_fields(PRESETS["tiny"]),
    "normalisation": "sqrt",
    "tower": {"name": "compact", "dim": PRESETS["tiny"].embed_dim},
}
TABLES = {  # points, whether B8A is there
    "2021_BEL_dummy.parquet": (100, False),
    "2022_FRA_LPIS_POLY_110.geoparquet": (500, False),
    "2023_FRA_LPIS_POLY_110.geoparquet": (500, False),
    "test_public_extractions.parquet": (500, True),
}


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    return shared_data / "worldcereal" / request.param


def test_worldcereal_tables(table: Path) -> None:
    series = read_points(table)
    assert len(series) == TABLES[table.name][0]
    assert series.steps <= 13  # a year, however long the record; it may begin in the middle of a month
    assert series.valid.mean() > 0.75
    assert 0.01 < np.median(series.reflectance[series.valid][:, band_index("red")]) < 0.3
    assert np.isfinite(series.lat_deg).all()
    months = (series.end - series.start).astype(int)
    assert set(np.unique(months)) <= {28, 29, 30, 31}
    columns = ["sample_id", "ewoc_code"]
    assert read_attributes(table, columns)["sample_id"].astype(str).tolist() == list(series.sample_id)
    pieces = list(iter_points(table, batch_size=90))
    assert len(pieces) > 1
    assert [name for piece in pieces for name in piece.sample_id] == list(series.sample_id)
    assert sum(int(piece.valid.sum()) for piece in pieces) == int(series.valid.sum())


def test_the_missing_band_is_missing_until_an_encoder_needs_it(table: Path) -> None:
    series = read_points(table)  # warnings are errors here
    seen = series.bands_seen().any(axis=(0, 1))
    assert seen.all() or list(np.flatnonzero(~seen)) == [band_index("B8A")]
    assert seen.all() == TABLES[table.name][1]
    needy = Model(SeriesEncoder(PRESETS["tiny"]), CheckpointConfig.model_validate(_CONFIG))
    if seen.all():
        assert with_near_infrared(series, needy) is series
        return
    with pytest.warns(DegradedInputWarning, match="B8A is absent"):
        filled = with_near_infrared(series, needy)
    assert filled.provenance["substituted"] == "B8A by B08"
    near, narrow = band_index("B08"), band_index("B8A")
    assert np.array_equal(filled.bands_seen()[..., narrow], series.bands_seen()[..., near])
    assert np.array_equal(filled.reflectance[..., narrow], series.reflectance[..., near])


def test_months_of_a_long_table_are_the_values_of_the_file(shared_data: Path) -> None:
    path = shared_data / "worldcereal" / "2022_FRA_LPIS_POLY_110.geoparquet"
    series, frame = read_points(path), pd.read_parquet(path)
    stamps = pd.to_datetime(frame["timestamp"]).to_numpy().astype("datetime64[D]")
    rows = {(name, day): i for i, (name, day) in enumerate(zip(frame["sample_id"].astype(str), stamps, strict=True))}
    point, step = np.nonzero(series.valid)
    index = [rows[series.sample_id[i], series.start[i, t]] for i, t in zip(point, step, strict=True)]
    expected = frame["S2-L2A-B11"].to_numpy()[index] / 10_000
    assert len(index) > 5000
    assert np.allclose(series.reflectance[point, step, band_index("B11")], expected, atol=1e-6)


def test_most_years_are_those_the_labels_are_of(shared_data: Path) -> None:
    path = shared_data / "worldcereal" / "2022_FRA_LPIS_POLY_110.geoparquet"
    series = read_points(path)
    told = pd.to_datetime(read_attributes(path, ["valid_time"])["valid_time"]).dt.year.to_numpy()
    first = series.valid.argmax(axis=1)
    year = series.start[np.arange(len(series)), first].astype("datetime64[Y]").astype(int) + 1970
    assert Counter((year == told).tolist())[True] > 0.9 * len(series)


@pytest.fixture(scope="session")
def flanders(shared_data: Path) -> Path:
    return shared_data / "s2-flanders-2018"


def test_flanders_cube_in_a_few_seconds(flanders: Path) -> None:
    begin = time.perf_counter()
    cube = read_cube(flanders, period="2018")
    assert time.perf_counter() - begin < 20  # about one second; CI shares its cores
    assert cube.reflectance.shape == (12, 10, 64, 64)
    assert (cube.crs, cube.transform) == ("EPSG:32631", Affine(10.0, 0.0, 501_360.0, 0.0, -10.0, 5_629_680.0))
    assert cube.start.astype(str).tolist() == [f"2018-{month:02d}-01" for month in range(1, 13)]
    assert not cube.valid[11].any()  # the record ends in November: what is missing stays missing
    assert cube.valid[:11].mean() > 0.95
    assert cube.provenance["resampled"]["bands"] == ["B05", "B06", "B07", "B8A", "B11", "B12"]
    assert [name[:11] for name in cube.provenance["ignored_files"]] == ["OUTPUT_POLY"]


def test_flanders_months_equal_a_median_by_hand(flanders: Path) -> None:
    """July, one pixel: the median of the dates on which no cloud or shadow lies within a 20 m pixel of it."""
    row, column = 30, 21
    cube = read_cube(flanders, period="2018-07")
    fine, coarse = (
        xr.open_dataset(next(flanders.glob(f"S2_L2A_{resolution}m_*.nc")), engine="h5netcdf", mask_and_scale=False)
        for resolution in (10, 20)
    )
    with fine, coarse:
        july = fine["timestamp"].dt.strftime("%Y-%m").to_numpy() == "2018-07"
        red = fine["B04"].to_numpy()[july, row, column]
        swir = coarse["B11"].to_numpy()[july, row // 2, column // 2]
        around = coarse["SCL"].to_numpy()[july, row // 2 - 1 : row // 2 + 2, column // 2 - 1 : column // 2 + 2]
    clear = (
        ~np.isin(around, (3, 8, 9, 10)).any(axis=(1, 2)) & ~np.isin(around[:, 1, 1], (0, 1)) & (red > 0) & (swir > 0)
    )
    assert 0 < clear.sum() < july.sum()
    pixel = cube.reflectance[0, :, row, column]
    assert pixel[band_index("red")] == pytest.approx(np.median(red[clear]) / 10_000, abs=1e-6)
    assert pixel[band_index("B11")] == pytest.approx(np.median(swir[clear]) / 10_000, abs=1e-6)


def test_flanders_blocks_are_the_whole(flanders: Path) -> None:
    source = open_cube(flanders)
    whole = source.read(period="2018-06..2018-08")
    for window, piece in read_blocks(source, 23, period="2018-06..2018-08"):
        box = np.s_[..., window[0] : window[1], window[2] : window[3]]
        assert np.array_equal(piece.valid, whole.valid[box])
        assert np.array_equal(piece.reflectance, whole.reflectance[box])
