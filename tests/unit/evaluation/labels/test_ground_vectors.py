"""Ground vectors from Parquet, and their match with samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.evaluation.labels.ground_vectors import Ground, match_samples, read_ground


def _file(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_rows_become_unit_vectors_and_empty_rows_are_left_out(tmp_path: Path) -> None:
    file = _file(tmp_path / "g.parquet", sample_id=[7, 8, 7], embedding=[[3.0, 4.0], None, [0.0, -2.0]])
    found = read_ground(file)
    assert found.sample_id == ("7", "7")
    assert found.vectors.dtype == np.float32
    assert found.vectors == pytest.approx(np.array([[0.6, 0.8], [0.0, -1.0]]))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"sample_id": ["a"], "vector": [[1.0, 2.0]]}, "has no column 'embedding'; it has sample_id, vector"),
        ({"sample_id": ["a", "b"], "embedding": [[1.0, 2.0], [1.0]]}, "embeddings of 1, 2 numbers"),
        ({"sample_id": ["a"], "embedding": [5.0]}, "embeddings of 1 numbers"),
        ({"sample_id": ["a"], "embedding": [None]}, "embeddings none at all"),
        ({"sample_id": ["a"], "embedding": [["x", "y"]]}, "values that are not numbers"),
    ],
)
def test_columns_that_hold_no_vectors_are_refused(columns: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_ground(_file(tmp_path / "g.parquet", **columns))


def test_a_file_that_is_absent_or_no_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No file"):
        read_ground(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(DataNotFoundError, match="as Parquet"):
        read_ground(tmp_path / "text.parquet")


def test_each_photograph_is_matched_with_the_row_of_its_sample() -> None:
    ground = Ground(("b", "x", "a", "b"), np.eye(4, dtype=np.float32))
    assert match_samples(ground, ["a", "b", "c"], 4).tolist() == [1, -1, 0, 1]
    with pytest.raises(InputError, match="4 dimensions and the checkpoint's 256"):
        match_samples(ground, ["a"], 256)
    with pytest.raises(InputError, match=r"None of the 4 ground vectors .*theirs: 'b', ours: 'z'"):
        match_samples(ground, ["z"], 4)


def test_photographs_of_the_samples_may_not_all_hold_nan() -> None:
    vectors = np.eye(3, dtype=np.float32)
    vectors[:2, 0] = np.nan
    ground = Ground(("a", "b", "x"), vectors)  # the one without NaN is of no sample
    with pytest.raises(InputError, match="All 2 ground vectors of the samples hold NaN"):
        match_samples(ground, ["a", "b"], 3)
    assert match_samples(ground, ["a", "x"], 3).tolist() == [0, -1, 1]
