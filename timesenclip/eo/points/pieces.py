"""Read Parquet and CSV tables whole, or in pieces of bounded size, and refuse columns that cannot be what they claim.

Memory holds one piece, also where a Parquet file is a single row group: its pages are read one after the other. The
footer of a Parquet file is held as it is; it grows with columns times row groups (about 1 kB for each such pair).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from timesenclip.errors import DataNotFoundError, InputError, TimeSenCLIPError
from timesenclip.messages import list_some, shorten_error

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["column_names", "iter_columns", "read_frame"]

_ROWS = 200_000
_LONGEST_TEXT = 10_000
"""Bytes of the longest name, date or label that is taken: a small file can hold gigabytes of one repeated text."""
_FIRST_ROWS = 64
"""Rows whose texts are looked at first, before many are read at a time."""
_BUFFER = 1 << 16
"""Bytes of a column that are fetched at a time."""

_T = TypeVar("_T")


def column_names(path: Path) -> list[str]:
    """Column names of a table.

    Raises:
        DataNotFoundError: no such file, or not a table.
    """
    if not path.is_file():
        raise DataNotFoundError(f"No file '{path}'; give a Parquet, GeoParquet or CSV table of points.")

    def names() -> list[str]:
        if _is_csv(path):
            import pandas as pd

            return [str(name) for name in pd.read_csv(path, nrows=0).columns]
        import pyarrow.parquet as pq

        return [str(name) for name in pq.read_schema(path).names]

    return _guarded(path, names)


def read_frame(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A whole table, or some columns of it.

    Raises:
        DataNotFoundError: no such file, or not a table.
        InputError: a column is there twice, holds lists or bytes, or a text of extreme length.
    """
    wanted = column_names(path) if columns is None else list(columns)

    def whole() -> pd.DataFrame:
        import pandas as pd

        if _is_csv(path):
            _check_header(path, wanted)
            return pd.read_csv(path, usecols=wanted, dtype=_as_text(wanted))
        import pyarrow as pa

        batches, schema = _parquet_batches(path, wanted, _ROWS)
        frame: pd.DataFrame = pa.Table.from_batches(batches, schema=schema).to_pandas(ignore_metadata=True)
        return frame

    return _guarded(path, whole)


def iter_columns(path: Path, columns: Sequence[str], *, rows: int = _ROWS) -> Iterator[pd.DataFrame]:
    """Some columns of a table, so many rows at a time; at least one piece, even of a table without rows.

    Raises:
        DataNotFoundError, InputError: as `read_frame`.
    """
    pieces = _csv_pieces(path, columns, rows) if _is_csv(path) else _parquet_pieces(path, columns, rows)
    some = False
    while (frame := _guarded(path, lambda: next(pieces, None))) is not None:
        some = True
        yield frame
    if not some:
        yield read_frame(path, columns)


def _csv_pieces(path: Path, columns: Sequence[str], rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    _check_header(path, columns)
    with pd.read_csv(path, usecols=list(columns), chunksize=rows, dtype=_as_text(columns)) as pieces:
        yield from pieces


def _check_header(path: Path, columns: Sequence[str]) -> None:
    """Refuse a column that is there twice; pandas would call the second one `lat.1` and take the first.

    Raises:
        InputError: there is one.
    """
    import pandas as pd

    first = pd.read_csv(path, nrows=1, header=None, dtype=str, na_filter=False)
    _refuse_double(path, [] if first.empty else [str(name) for name in first.iloc[0]], columns)


def _refuse_double(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name in set(columns)]
    if twice:
        raise InputError(f"{path}: the column '{list_some(twice)}' is there more than once; keep one.")


def _parquet_pieces(path: Path, columns: Sequence[str], rows: int) -> Iterator[pd.DataFrame]:
    for batch in _parquet_batches(path, columns, rows)[0]:
        # Pandas' metadata may name an index that is not there; dates as objects take ten times the time.
        yield batch.to_pandas(ignore_metadata=True, date_as_object=False)


def _parquet_batches(path: Path, columns: Sequence[str], rows: int) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
    """The batches of a Parquet file, and their schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Without these two settings a row group's columns are fetched as a whole.
    file = pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    schema = file.schema_arrow
    try:
        _check_columns(path, schema, columns)
    except BaseException:
        file.close()
        raise

    def batches() -> Iterator[pa.RecordBatch]:
        with file:
            texts = [name for name in columns if _is_text(schema.field(name).type)]
            for batch in file.iter_batches(batch_size=_FIRST_ROWS, columns=texts):
                _check_texts(path, batch)
                break
            for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
                _check_texts(path, batch)
                for name in texts:  # pyarrow does not look whether texts are UTF-8 until one is taken out
                    batch.column(name).validate(full=True)
                yield batch

    return batches(), pa.schema([field for field in schema if field.name in set(columns)])


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _check_texts(path: Path, batch: pa.RecordBatch) -> None:
    """Refuse texts of extreme length.

    Raises:
        InputError: there is one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if not _is_text(values.type):
            continue
        longest = pc.max(pc.binary_length(values.dictionary if isinstance(values, pa.DictionaryArray) else values))
        if (longest.as_py() or 0) > _LONGEST_TEXT:
            raise InputError(
                f"{path}: column '{name}' holds a text of {longest.as_py():,} bytes; expected at most "
                f"{_LONGEST_TEXT:,}. Is it the right column?"
            )


def _check_columns(path: Path, schema: pa.Schema, columns: Sequence[str]) -> None:
    """Refuse a column that is there twice, and one of lists, structures or bytes (but for the geometry).

    Raises:
        InputError: there is one.
    """
    import pyarrow as pa

    _refuse_double(path, schema.names, columns)
    for name in columns:
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        bytes_ = any(
            check(inner)
            for check in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
        )  # fmt: skip
        if name != "geometry" and (pa.types.is_nested(inner) or bytes_):
            raise InputError(f"{path}: column '{name}' is of type {kind}; expected one text, number or date in a row.")


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _as_text(columns: Sequence[str]) -> dict[str, type[str]]:
    """Types to read columns with: names are text, so that `007` does not become 7."""
    return {"sample_id": str} if "sample_id" in columns else {}


def _guarded(path: Path, read: Callable[[], _T]) -> _T:
    """Run a reader of pandas or pyarrow; its errors become a `DataNotFoundError` that names the file."""
    try:
        return read()
    except TimeSenCLIPError:
        raise
    # ArrowInvalid, ParserError and UnicodeDecodeError are ValueErrors; types that pyarrow or pandas cannot convert give
    # NotImplementedError or TypeError; a damaged schema can name columns that the file does not have.
    except (OSError, ValueError, NotImplementedError, TypeError, KeyError, OverflowError) as error:
        raise DataNotFoundError(
            f"Cannot read '{path}' as a table ({shorten_error(error)}); expected Parquet or CSV."
        ) from error
