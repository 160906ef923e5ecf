"""The Parquet files of predictions and embeddings: one row per series in input order (docs/cli.md)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.files import file_lock, json_text, publish, temporary_path
from timesenclip.owned import require_own_file
from timesenclip.series import PixelSeries

if TYPE_CHECKING:
    from timesenclip.tasks.classify import Classification

__all__ = [
    "PROVENANCE_KEY",
    "TableWriter",
    "check_output",
    "classify_columns",
    "classify_schema",
    "embed_schema",
    "embedding_column",
    "is_own_table",
    "open_table",
]

PROVENANCE_KEY = b"timesenclip"
"""Key of the Parquet file's metadata under which the provenance stands, as JSON."""

_PLACE = [pa.field("sample_id", pa.string()), pa.field("lat", pa.float64()), pa.field("lon", pa.float64())]


def classify_schema(class_names: Sequence[str]) -> pa.Schema:
    """Columns of a `classify` file: place, `label`, `confidence`, `unknown`, then one `p_<class>` per class."""
    prediction = [pa.field("label", pa.string()), pa.field("confidence", pa.float32()), pa.field("unknown", pa.bool_())]
    return pa.schema([*_PLACE, *prediction, *(pa.field(f"p_{name}", pa.float32()) for name in class_names)])


def embed_schema() -> pa.Schema:
    """Columns of an `embed` file: place and `embedding`, a list of float32 of unit length."""
    return pa.schema([*_PLACE, pa.field("embedding", pa.list_(pa.float32()))])


def classify_columns(result: Classification) -> dict[str, Any]:
    """The columns of `classify_schema` by name, without id and coordinates."""
    shares = {f"p_{name}": result.probabilities[:, k] for k, name in enumerate(result.taxonomy.names)}
    return {"label": result.label, "confidence": result.confidence, "unknown": result.unknown} | shares


def embedding_column(embeddings: NDArray[np.float32]) -> pa.Array:
    """(N, D) float32 as an Arrow list array of N rows; a row of NaN becomes null.

    Not a list of fixed size: many releases of Arrow cannot write nulls of such lists to Parquet.
    """
    there = ~np.isnan(embeddings).any(axis=1)
    ends = np.concatenate([[0], np.cumsum(there)]).astype(np.int32) * embeddings.shape[1]
    return pa.ListArray.from_arrays(
        pa.array(ends), pa.array(embeddings[there].reshape(-1), type=pa.float32()), mask=pa.array(~there)
    )


def check_output(path: Path | None, *inputs: str | Path | None) -> None:
    """Check an output file before any work is done.

    Args:
        path: the file; None: none.
        inputs: files that are read, which are never replaced.

    Raises:
        InputError: the name does not end in .parquet, or is a folder, an input, or a file that is not ours.
    """
    if path is not None and (path.suffix.lower() != ".parquet" or path.is_dir()):
        raise InputError(f"Output {path}: expected a file name that ends in .parquet.")
    if path is not None:
        require_own_file(path, is_own_table, what="table", inputs=inputs)


def is_own_table(path: Path) -> bool:
    """Whether a file is a Parquet table that timesenclip wrote: its metadata say so."""
    try:
        return PROVENANCE_KEY in (pq.read_metadata(path).metadata or {})
    except (pa.ArrowException, OSError):  # no Parquet file
        return False


class TableWriter:
    """Append batches to a Parquet file, which gets its final name when it is complete; one process at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._schema = path, schema
        self._part = temporary_path(path)
        self._writer = pq.ParquetWriter(self._part, schema, compression="zstd")

    def write(self, series: PixelSeries, columns: Mapping[str, Any]) -> None:
        """Append the rows of one batch: `series` gives the place, `columns` the rest of the schema by name."""
        place = {"sample_id": list(series.sample_id), "lat": series.lat_deg, "lon": series.lon_deg}
        # `from_pandas` turns an unknown place (NaN) into a null, as other readers of Parquet expect.
        arrays = [
            pa.array(value, type=field.type, from_pandas=True) if not isinstance(value, pa.Array) else value
            for field in self._schema
            for value in [{**place, **columns}[field.name]]
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def finish(self, provenance: Mapping[str, Any]) -> None:
        """Add the provenance, close, and move the file to its name."""
        self._writer.add_key_value_metadata({PROVENANCE_KEY: json_text(provenance).encode()})
        self._writer.close()
        check_output(self._path)  # again: the work may have taken hours
        publish(self._part, self._path)

    def discard(self) -> None:
        """Close and remove the temporary file; has no effect after `finish`."""
        self._writer.close()
        self._part.unlink(missing_ok=True)


@contextlib.contextmanager
def open_table(path: Path | None, schema: pa.Schema) -> Iterator[TableWriter | None]:
    """Yield a `TableWriter`, or None for a `path` of None; without `finish` its file is removed at the end.

    Raises:
        InputError: another process is writing the file.
    """
    if path is None:
        yield None
        return
    with file_lock(path.with_name(f".{path.name}.lock")) as free:
        if not free:
            raise InputError(f"Another process is writing '{path}'; wait for it, or give another output.")
        writer = TableWriter(path, schema)
        try:
            yield writer
        finally:
            writer.discard()
