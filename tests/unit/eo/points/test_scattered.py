from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.eo.points import scattered
from timesenclip.eo.points.scattered import gathered
from timesenclip.errors import InputError


def table(path: Path, points: int = 23, dates: int = 4) -> pd.DataFrame:
    """A long table whose rows are in random order."""
    names = np.repeat([f"p{i}" for i in range(points)], dates)
    frame = pd.DataFrame({"sample_id": names, "timestamp": np.tile(range(dates), points), "x": range(len(names))})
    mixed = frame.iloc[np.random.default_rng(0).permutation(len(frame))].reset_index(drop=True)
    mixed.to_parquet(path, row_group_size=7)
    return mixed


@pytest.mark.parametrize("files", [200, 2])
def test_points_come_whole_in_the_order_of_their_first_rows(
    files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scattered, "_MOST_FILES", files)
    mixed = table(tmp_path / "a.parquet")
    order = list(dict.fromkeys(mixed["sample_id"]))
    pieces = list(gathered(tmp_path / "a.parquet", ["sample_id", "timestamp", "x"], batch_size=5))
    assert [piece["sample_id"].nunique() for piece in pieces] == [5, 5, 5, 5, 3]
    for piece, first in zip(pieces, range(0, 23, 5), strict=True):
        names = order[first : first + 5]
        wanted = pd.concat([mixed[mixed["sample_id"] == name] for name in names], ignore_index=True)
        pd.testing.assert_frame_equal(piece.reset_index(drop=True)[list(mixed)], wanted, check_dtype=False)


def test_a_row_without_a_name_is_refused_and_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scattered.tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    mixed = table(tmp_path / "a.parquet")
    next(gathered(tmp_path / "a.parquet", list(mixed), batch_size=5))
    assert not list((tmp_path / "scratch").iterdir())
    mixed.loc[30, "sample_id"] = None
    mixed.to_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match="row 30 has no sample_id"):
        list(gathered(tmp_path / "b.parquet", list(mixed), batch_size=5))
