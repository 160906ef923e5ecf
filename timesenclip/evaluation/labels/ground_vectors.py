"""Embedded photographs (or other ground views) of places, for retrieval between satellite and ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DataNotFoundError, InputError

__all__ = ["Ground", "match_samples", "read_ground"]


@dataclass(frozen=True, slots=True)
class Ground:
    """Embedded photographs (or other ground views) of places."""

    sample_id: tuple[str, ...]
    """(M,) place of each view; a place may have several views."""
    vectors: NDArray[np.float32]
    """(M, D) unit rows, embedded by the tower of the checkpoint."""


def read_ground(path: str | Path) -> Ground:
    """Read ground vectors from Parquet: columns `sample_id` and `embedding`, one row a photograph.

    Raises:
        DataNotFoundError: the file does not exist or is not Parquet.
        InputError: a column is missing, or the vectors differ in length.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No file '{file}'; give Parquet with sample_id and embedding.")
    try:
        table = pq.read_table(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataNotFoundError(f"Cannot read '{file}' as Parquet; give columns sample_id and embedding.") from error
    missing = {"sample_id", "embedding"} - set(table.column_names)
    if missing:
        raise InputError(f"'{file}' has no column '{sorted(missing)[0]}'; it has {', '.join(table.column_names[:12])}.")
    table = table.filter(pc.is_valid(table["embedding"]))
    rows = table["embedding"].to_pylist()
    lengths = sorted({len(row) if isinstance(row, list) else 1 for row in rows})
    if len(lengths) != 1 or lengths[0] < 2:
        seen = f"of {', '.join(map(str, lengths[:6]))} numbers" if rows else "none at all"
        raise InputError(f"'{file}': embeddings {seen}; expected a list of the same length in every row.")
    try:
        vectors = np.array(rows, dtype=np.float32)  # (M, D)
    except (TypeError, ValueError) as error:
        raise InputError(f"'{file}': embeddings hold values that are not numbers; expected lists of float.") from error
    vectors[~np.isfinite(vectors).all(axis=1)] = np.nan  # such a row counts as none; infinity would warn below
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return Ground(tuple(map(str, table["sample_id"].to_pylist())), vectors / length)


def match_samples(ground: Ground, sample_id: Sequence[str], dim: int) -> NDArray[np.int64]:
    """Row of the sample that each photograph belongs to, (M,); -1 where there is no such sample.

    Args:
        ground: M photographs.
        sample_id: ids of the samples.
        dim: embedding dimension of the checkpoint.

    Raises:
        InputError: the dimensions differ, no photograph belongs to a sample, or all of those hold NaN.
    """
    if ground.vectors.shape[1] != dim:
        raise InputError(
            f"Ground vectors have {ground.vectors.shape[1]} dimensions and the checkpoint's {dim}; "
            "embed the photographs with the checkpoint's own tower."
        )
    row = {name: i for i, name in enumerate(sample_id)}
    mine = np.array([row.get(name, -1) for name in ground.sample_id], dtype=np.int64)
    if not (mine >= 0).any():
        raise InputError(
            f"None of the {len(mine)} ground vectors belongs to a sample (theirs: '{ground.sample_id[0]}', ours: "
            f"'{sample_id[0]}'); use the same sample_id on both sides."
        )
    if not np.isfinite(ground.vectors[mine >= 0]).all(axis=1).any():
        raise InputError(f"All {int((mine >= 0).sum())} ground vectors of the samples hold NaN; embed them again.")
    return mine
