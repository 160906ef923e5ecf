"""Labelled points of WorldCereal: which kind of place a code is, and which part of the land it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.errors import DataNotFoundError
from timesenclip.series import PixelSeries
from timesenclip.spatial import spatial_choice
from timesenclip.testing import random_series, write_wide_table
from timesenclip.train.field_notes import worldcereal
from timesenclip.train.field_notes.notes import kinds_of_place
from timesenclip.train.field_notes.worldcereal import PARTS, read_real_points

MAPPINGS = {
    "LANDCOVER10": {
        "1101060000": "temporary_crops",
        "1109000000": "temporary_crops",
        "2500000000": "trees",
        "6000000000": "built_up",
        "9999999999": "no_such_cover",
    },
    "CROPTYPE24": {"1101060000": "maize", "1109000000": "fibre_crops", "2500000000": "maize"},
}
CODES = {
    "1101060000": "maize",
    "1109000000": "any crops",  # a crop that the notes do not know by name
    "2500000000": "any woodland",  # the cover decides: a crop type counts among crops only
    "6000000000": "any built-up",
    "9999999999": None,
    "0": None,
}


def write_table(path: Path, codes: list[str], *, seed: int = 0) -> PixelSeries:
    series = random_series(len(codes), seed=seed)
    frame = pd.read_parquet(write_wide_table(series, path))
    frame.assign(ewoc_code=[int(code) for code in codes]).to_parquet(path)
    return series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "class_mappings.json").write_text(json.dumps(MAPPINGS))
    return tmp_path


def test_codes_become_kinds_and_unknown_ones_are_left_out(folder: Path) -> None:
    series = write_table(folder / "a.parquet", list(CODES))
    found = read_real_points(folder)
    known = [kind for kind in CODES.values() if kind is not None]
    assert list(found.kind) == known
    assert found.series.sample_id == series.sample_id[: len(known)]
    assert np.allclose(
        found.series.reflectance[found.series.valid], series.take(np.arange(4)).reflectance[series.valid[:4]]
    )
    assert found.table == ("a.parquet",) * len(known)


def test_tables_are_joined_in_the_order_of_their_names(folder: Path) -> None:
    write_table(folder / "b.geoparquet", ["6000000000"], seed=1)
    write_table(folder / "a.parquet", ["2500000000", "1101060000"])
    found = read_real_points(folder)
    assert found.kind == ("any woodland", "maize", "any built-up")
    assert found.table == ("a.parquet", "a.parquet", "b.geoparquet")


def test_the_part_is_that_of_the_block_of_land(folder: Path) -> None:
    write_table(folder / "a.parquet", ["1101060000"] * 60)
    found = read_real_points(folder)
    expected = spatial_choice(PARTS, lat_deg=found.series.lat_deg, lon_deg=found.series.lon_deg)
    assert found.part.tolist() == expected.tolist()
    assert set(found.part) <= {"train", "calibrate", "test"}
    assert len(set(found.part)) > 1


def test_points_never_seen_are_left_out(folder: Path) -> None:
    path = folder / "a.parquet"
    write_table(path, ["1101060000", "2500000000"])
    frame = pd.read_parquet(path)
    bands = [name for name in frame.columns if name.startswith("OPTICAL")]
    frame.loc[0, bands] = 65535
    frame.to_parquet(path)
    assert read_real_points(folder).kind == ("any woodland",)


def test_a_choice_takes_every_field(folder: Path) -> None:
    write_table(folder / "a.parquet", ["1101060000", "2500000000", "6000000000"])
    found = read_real_points(folder)
    taken = found.take(np.array([True, False, True]))
    assert taken.kind == ("maize", "any built-up")
    assert taken.series.sample_id == (found.series.sample_id[0], found.series.sample_id[2])
    assert taken.part.tolist() == found.part[[0, 2]].tolist()
    assert taken.table == ("a.parquet", "a.parquet")


@pytest.mark.parametrize("have", ["nothing", "tables", "mapping"])
def test_a_folder_without_tables_or_mapping_is_refused(have: str, tmp_path: Path) -> None:
    if have == "tables":
        write_table(tmp_path / "a.parquet", ["0"])
    if have == "mapping":
        (tmp_path / "class_mappings.json").write_text("{}")
    with pytest.raises(DataNotFoundError, match=r"expected class_mappings\.json and \*\.parquet"):
        read_real_points(tmp_path)


def test_every_kind_is_one_that_the_notes_know() -> None:
    kinds = {*worldcereal._KIND_OF_CROP.values(), *worldcereal._KIND_OF_COVER.values()}
    assert kinds <= set(kinds_of_place())
