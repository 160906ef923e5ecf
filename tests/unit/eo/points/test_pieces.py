from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from timesenclip.eo.points.pieces import column_names, iter_columns, read_frame
from timesenclip.eo.points.read import iter_points
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.testing import random_series, write_wide_table


def test_a_table_without_rows_gives_one_empty_piece(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv"):
        frame = pd.DataFrame({"sample_id": pd.Series([], dtype=str), "x": pd.Series([], dtype=float)})
        _ = frame.to_csv(tmp_path / name, index=False) if name.endswith("csv") else frame.to_parquet(tmp_path / name)
        assert [len(piece) for piece in iter_columns(tmp_path / name, ["sample_id", "x"])] == [0]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_pieces_are_the_whole_table(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"sample_id": [f"p{i}" for i in range(10)], "x": range(10)})
    path = tmp_path / f"a{suffix}"
    _ = frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path, row_group_size=3)
    assert column_names(path) == ["sample_id", "x"]
    pieces = list(iter_columns(path, ["sample_id", "x"], rows=4))
    assert [len(piece) for piece in pieces] == [4, 4, 2]
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), read_frame(path))


def test_metadata_of_pandas_that_name_an_absent_index_are_not_followed(tmp_path: Path) -> None:
    table = pq.read_table(write_wide_table(random_series(3), tmp_path / "a.parquet"))
    junk = b'{"index_columns":["nope"],"columns":[],"column_indexes":[],"pandas_version":"1"}'
    pq.write_table(table.replace_schema_metadata({"pandas": junk}), tmp_path / "b.parquet")
    assert len(next(iter_points(tmp_path / "b.parquet"))) == 3


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([[1], [2]], "list"),
        ([{"a": 1}, {"a": 2}], "struct"),
        ([b"\xff", b"\x00"], "binary"),
        (["x" * 100_000, "y"], "100,000 bytes"),
        (pa.array(["x" * 100_000, "y"]).dictionary_encode(), "100,000 bytes"),
    ],
)
def test_names_that_are_lists_bytes_or_extremely_long_are_refused(values: Any, match: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"sample_id": values, "x": [1, 2]}), tmp_path / "a.parquet")
    for read in (read_frame, lambda path, columns: list(iter_columns(path, columns))):
        with pytest.raises(InputError, match=match):
            read(tmp_path / "a.parquet", ["sample_id"])
    assert len(read_frame(tmp_path / "a.parquet", ["x"])) == 2  # a column that is not needed may hold anything


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], ["lat", "lat"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'lat' is there more than once"):
        list(iter_columns(tmp_path / "a.parquet", ["lat"]))


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1junk")
    (tmp_path / "a.csv").write_bytes("a,b\n1,2\n".encode("utf-16"))
    for name in ("a.parquet", "a.csv", "none.csv"):
        with pytest.raises(DataNotFoundError, match=name):
            column_names(tmp_path / name)


def test_a_column_of_a_csv_that_is_there_twice_is_refused_if_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("lat,lat,note,note\n1,2,3,4\n")
    for read in (
        lambda: read_frame(path),
        lambda: read_frame(path, ["lat"]),
        lambda: list(iter_columns(path, ["lat"])),
    ):
        with pytest.raises(InputError, match=r"the column 'lat.* is there more than once"):
            read()
    path.write_text("lat,note,note\n1,3,4\n")
    assert read_frame(path, ["lat"])["lat"].tolist() == [1]


def test_a_text_that_is_no_utf_8_is_one_line(tmp_path: Path) -> None:
    content = pa.array([b"a\xd1", b"b"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"sample_id": content, "lat": [1.0, 2.0]}), tmp_path / "t.parquet")
    with pytest.raises(DataNotFoundError, match=r"Cannot read .*UTF8"):
        list(iter_columns(tmp_path / "t.parquet", ["sample_id", "lat"]))
