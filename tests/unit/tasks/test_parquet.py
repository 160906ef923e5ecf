from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from timesenclip.errors import InputError
from timesenclip.files import temporary_path
from timesenclip.tasks.classify import classify
from timesenclip.tasks.parquet import (
    PROVENANCE_KEY,
    check_output,
    classify_columns,
    classify_schema,
    embed_schema,
    embedding_column,
    open_table,
)
from timesenclip.testing import random_series


def test_batches_become_one_file_with_its_provenance(tmp_path: Path) -> None:
    series = random_series(5)
    series = replace(series, lon_deg=np.where(np.arange(5) == 1, np.nan, series.lon_deg))
    result = classify(series, ["lake", "maize"])
    file = tmp_path / "new" / "out.parquet"
    with open_table(file, classify_schema(["lake", "maize"])) as table:
        assert table is not None
        for rows in (slice(0, 3), slice(3, 5)):
            part = series.take(rows)
            table.write(part, classify_columns(classify(part, ["lake", "maize"])))
        assert not file.exists()
        table.finish({"period": float("nan"), "n": 5})
    frame = pd.read_parquet(file)
    assert list(frame) == ["sample_id", "lat", "lon", "label", "confidence", "unknown", "p_lake", "p_maize"]
    assert tuple(frame["sample_id"]) == series.sample_id
    assert frame["label"].tolist() == result.label
    assert frame["p_maize"].to_numpy() == pytest.approx(result.probabilities[:, 1], abs=1e-5)
    assert pq.read_table(file).column("lon").null_count == 1
    assert json.loads(pq.read_metadata(file).metadata[PROVENANCE_KEY]) == {"period": None, "n": 5}
    assert [one.name for one in file.parent.iterdir()] == ["out.parquet"]


def test_embeddings_are_lists_and_a_row_of_nan_is_null(tmp_path: Path) -> None:
    series = random_series(3)
    vectors = np.array([[1, 2], [np.nan, np.nan], [3, 4]], dtype=np.float32)
    with open_table(tmp_path / "e.parquet", embed_schema()) as table:
        assert table is not None
        table.write(series, {"embedding": embedding_column(vectors)})
        table.finish({})
    assert pq.read_table(tmp_path / "e.parquet").column("embedding").to_pylist() == [[1, 2], None, [3, 4]]


def test_failed_work_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), open_table(tmp_path / "e.parquet", embed_schema()):
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []
    with open_table(None, embed_schema()) as table:
        assert table is None


def test_what_a_killed_process_left_is_replaced_by_the_next_run(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from timesenclip.tasks.parquet import embed_schema, open_table\n"
        "with open_table(Path(sys.argv[1]), embed_schema()):\n    os._exit(9)\n"
    )
    file = tmp_path / "e.parquet"
    assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == 9
    assert temporary_path(file).is_file()
    with open_table(file, embed_schema()) as table:
        assert table is not None
        table.finish({})
    assert [each.name for each in tmp_path.iterdir()] == ["e.parquet"]


def test_a_second_writer_of_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "e.parquet"
    with open_table(file, embed_schema()) as table:
        with (
            pytest.raises(InputError, match=r"Another process is writing '.*e\.parquet'"),
            open_table(file, embed_schema()),
        ):
            pass
        with open_table(tmp_path / "other.parquet", embed_schema()):
            pass
        assert table is not None
        table.finish({})
    assert [each.name for each in tmp_path.iterdir()] == ["e.parquet"]


def test_names_of_outputs_are_checked(tmp_path: Path) -> None:
    check_output(None)
    check_output(tmp_path / "a.parquet")
    (tmp_path / "folder.parquet").mkdir()
    for name in ("a.csv", "folder.parquet"):
        with pytest.raises(InputError, match=r"ends in \.parquet"):
            check_output(tmp_path / name)
