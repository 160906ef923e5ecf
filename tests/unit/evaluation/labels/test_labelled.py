from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.errors import GridError, InputError
from timesenclip.evaluation.labels.labelled import (
    labelled_cube,
    labelled_points,
    labelled_series,
    parse_mapping,
)
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.series import concatenate
from timesenclip.testing import random_cube, random_series, write_wide_table

NAMES = taxonomy_from_phrases(["maize", "grassland", "lake"])


def _table(path: Path, labels: list[object], **series: object) -> Path:
    write_wide_table(random_series(len(labels), **series), path)  # type: ignore[arg-type]
    frame = pd.read_parquet(path)
    frame.assign(kind=labels).to_parquet(path)
    return path


def test_a_mapping_is_pairs_or_a_file_or_a_table_inside_it(tmp_path: Path) -> None:
    assert parse_mapping("1=maize, 2=lake") == {"1": "maize", "2": "lake"}
    file = tmp_path / "codes.json"
    file.write_text(json.dumps({"LC": {"1": "maize"}, "CT": {"2": "lake"}}))
    assert parse_mapping(f"{file}:CT") == {"2": "lake"}
    with pytest.raises(InputError, match="several tables"):
        parse_mapping(str(file))
    with pytest.raises(InputError, match="has no 'XX'"):
        parse_mapping(f"{file}:XX")
    file.write_text("{")
    with pytest.raises(InputError, match="not readable"):
        parse_mapping(f"{file}:CT")
    with pytest.raises(InputError, match="Cannot read the mapping"):
        parse_mapping("nothing")


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_tables_are_joined_and_doubtful_things_are_said(tmp_path: Path) -> None:
    one = _table(tmp_path / "a.parquet", ["maize", "lake", "rock", "maize"])
    two = _table(tmp_path / "b.parquet", ["lake", "lake", "lake"], seed=1)
    data = labelled_points([one, two], label_column="kind", taxonomy=NAMES)
    assert len(data) == 6
    assert data.truth.tolist() == [0, 2, 0, 2, 2, 2]
    assert data.skipped == {"rock": 1}
    assert data.title == "a.parquet, b.parquet"
    assert any("repeat the id" in note for note in data.notes)  # point-0 .. are in both
    assert data.present == ("maize", "lake")
    only = labelled_points(two, label_column="kind", taxonomy=NAMES)
    assert any("Every label is 'lake'" in note for note in only.notes)
    with pytest.raises(InputError, match=r"labels seen: 'lake' \(3\)"):
        labelled_points(two, label_column="kind", taxonomy=taxonomy_from_phrases(["rock"]))
    assert len(data.take(data.truth == 0)) == 2


@pytest.mark.parametrize("none", [None, float("nan"), ""])
def test_points_without_a_label_are_said_and_numbers_stay_whole(none: object, tmp_path: Path) -> None:
    words = labelled_points(
        _table(tmp_path / "words.parquet", ["maize", "lake", "hops", none]), label_column="kind", taxonomy=NAMES
    )
    assert words.truth.tolist() == [0, 2]
    assert words.skipped == {"hops": 1}
    assert "1 sample has no label." in words.notes
    if none == "":
        return
    coded = labelled_points(
        _table(tmp_path / "codes.parquet", [10, 20, none, none]),
        label_column="kind",
        taxonomy=NAMES,
        mapping={"10": "maize", "20": "lake"},
    )
    assert coded.truth.tolist() == [0, 2]
    assert coded.skipped == {}
    assert "2 samples have no label." in coded.notes
    empty = _table(tmp_path / "empty.parquet", [none, none])
    with pytest.raises(InputError, match="labels seen: none"):
        labelled_points(empty, label_column="kind", taxonomy=NAMES)


def test_series_from_any_reader_become_a_labelled_set() -> None:
    series = random_series(4)
    data = labelled_series(series, np.array(["maize", "x", "LAKE", "lake"]), taxonomy=NAMES, title="mine")
    assert data.truth.tolist() == [0, 2, 2]
    assert data.series.sample_id == ("point-0", "point-2", "point-3")
    with pytest.raises(InputError, match="3 labels for 4 series"):
        labelled_series(series, np.array(["maize"] * 3), taxonomy=NAMES, title="mine")
    clouds = replace(series, valid=np.zeros_like(series.valid))
    with pytest.raises(InputError, match="ever seen clearly"):
        labelled_series(clouds, np.array(["maize"] * 4), taxonomy=NAMES, title="mine")


def test_series_of_other_lengths_end_in_missing_steps() -> None:
    long, short = random_series(3), random_series(2, seed=1)
    short = type(short)(
        short.reflectance[:, :5],
        short.valid[:, :5],
        short.start[:, :5],
        short.end[:, :5],
        short.sample_id,
        short.lon_deg,
        short.lat_deg,
    )
    both = concatenate([long, short])
    assert both.valid.shape == (5, 12)
    assert not both.valid[3:, 5:].any()
    assert np.array_equal(both.reflectance[3:, :5], short.reflectance)


def test_one_sample_that_was_never_seen_is_said_as_one() -> None:
    series = random_series(3, missing=0.0)
    for unseen, said in (
        (1, "1 labelled sample was never seen clearly and does not count."),
        (2, "2 labelled samples were"),
    ):
        valid = series.valid.copy()
        valid[:unseen] = False
        found = labelled_series(replace(series, valid=valid), np.array(["maize"] * 3), taxonomy=NAMES, title="x")
        assert found.notes[0].startswith(said)


def test_pixels_of_a_cube_in_strips() -> None:
    cube = random_cube((6, 32), cloudy=0)
    labels = np.ones((6, 32), np.int64)
    labels[:, 16:] = 2
    data = labelled_cube(cube, labels, taxonomy=NAMES, mapping={"1": "maize", "2": "lake"}, title="x")
    assert len(np.unique(data.block)) == 16
    assert [len(np.unique(data.block[data.fold == f])) for f in range(4)] == [4] * 4
    with pytest.raises(GridError):
        labelled_cube(cube, labels[:3], taxonomy=NAMES, mapping={"1": "maize"}, title="x")
