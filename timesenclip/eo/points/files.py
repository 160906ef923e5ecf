"""The files behind point tables: recognise their form, and read them in bounded pieces."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from timesenclip.bands import BAND_NAMES, canonical_band
from timesenclip.errors import BandError, DataNotFoundError, InputError, TimeError, TimeSenCLIPError
from timesenclip.messages import shorten_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableShape", "column_names", "iter_columns", "iter_frames", "read_frame", "table_shape"]

_WIDE = re.compile(r"^(?P<band>.+?)[-_]ts(?P<step>\d+)(?:[-_]\d+m)?$", re.IGNORECASE)
_LOOKS_LIKE_BAND = re.compile(r"^(?:S2[-_]L2A[-_]|OPTICAL[-_]|SENTINEL2[-_]|S2[-_])?(B\d{1,2}A?|B8A)$", re.IGNORECASE)
_UNUSED = frozenset({"B01", "B1", "B09", "B9", "B10"})
_PLACES = ("lat", "lon", "latitude", "longitude", "lat_deg", "lon_deg", "geometry")
_OTHER = frozenset({"sample_id", "valid_time", "year", "start_date", "timestamp", *_PLACES})
_ROWS_PER_POINT = 12
_ROWS = 200_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TableShape:
    """Where the bands of a table are."""

    wide: bool
    """True: one row a point. False: one row a point and date."""
    bands: tuple[str, ...]
    """Bands found, in no particular order."""
    columns: tuple[tuple[str, ...], ...]
    """For each band its columns, one a step (wide) or one (long)."""
    steps: tuple[int, ...] = ()
    """Numbers of the steps (wide), increasing; a number that is left out is a step that is missing."""


def table_shape(columns: Sequence[str], *, source_name: str) -> TableShape:
    """Recognise a table by its columns.

    Raises:
        BandError: no band, a band twice, an unknown band, or steps that differ between bands.
        TimeError: bands without the dates they were seen at.
    """
    wide: dict[str, dict[int, str]] = {}
    long: dict[str, dict[int, str]] = {}
    for column in columns:
        match = _WIDE.match(column)
        name = match["band"] if match else column
        band = canonical_band(name)
        if band is None:
            bare = _LOOKS_LIKE_BAND.match(name)
            if bare and bare[1].upper() not in _UNUSED:
                raise BandError(
                    f"{source_name}: column '{column}' names the unknown band '{bare[1]}'; expected "
                    f"{', '.join(BAND_NAMES)}."
                )
            continue
        home, step = (wide.setdefault(band, {}), int(match["step"])) if match else (long.setdefault(band, {}), 0)
        if step in home:
            raise BandError(f"{source_name}: {band} stands in both '{home[step]}' and '{column}'; keep one of them.")
        home[step] = column
    if wide:
        return _wide_shape(wide, source_name)
    if long and "timestamp" in columns:
        return TableShape(False, tuple(long), tuple((found[0],) for found in long.values()))
    if long:
        raise TimeError(
            f"{source_name} has band columns but no 'timestamp'; a long table needs one row a point and date."
        )
    raise BandError(
        f"{source_name} has no band columns; expected wide ones such as OPTICAL-B02-ts0-10m, or long ones such as "
        f"S2-L2A-B02 with 'timestamp'. Found: {', '.join(columns[:12])}."
    )


def _wide_shape(wide: dict[str, dict[int, str]], source_name: str) -> TableShape:
    want = max((sorted(steps) for steps in wide.values()), key=len)
    for band, have in wide.items():
        if sorted(have) != want:
            gone = sorted(set(want) - set(have)) or sorted(set(have) - set(want))
            raise BandError(f"{source_name}: {band} lacks the steps {gone}; every band needs the same steps.")
    return TableShape(True, tuple(wide), tuple(tuple(wide[b][s] for s in want) for b in wide), tuple(want))


def attribute_columns(columns: Sequence[str]) -> list[str]:
    """Columns that describe a point as a whole, such as labels: neither bands nor steps of a series."""
    return [name for name in columns if canonical_band(name) is None and not _WIDE.match(name)]


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
    """
    have = column_names(path)

    def whole() -> pd.DataFrame:
        import pandas as pd

        if _is_csv(path):
            wanted = have if columns is None else list(columns)
            return pd.read_csv(path, usecols=wanted, dtype=_as_text(wanted))
        import pyarrow.parquet as pq

        table = pq.ParquetFile(path).read(columns=columns if columns is None else list(columns))
        frame: pd.DataFrame = table.to_pandas(
            ignore_metadata=True
        )  # pandas metadata may set an index, or need geopandas
        return frame

    return _guarded(path, whole)


def iter_frames(path: Path, *, batch_size: int) -> Iterator[pd.DataFrame]:
    """Read a table in pieces of whole points: what the series need, and nothing else.

    Wide tables are read `batch_size` rows at a time. So are long ones, twelve rows for a point, if the rows of each
    point follow each other; the names are read first, piece by piece, to see that. A long table whose points are
    scattered is read whole, but given out in pieces all the same; one without names is given out whole.

    Raises:
        DataNotFoundError: no such file, or not a table.
        InputError: `batch_size` is below 1.
    """
    columns = column_names(path)
    shape = table_shape(columns, source_name=str(path))
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected 1 or more.")
    bands = {column for names in shape.columns for column in names}
    needed = [name for name in columns if name in bands or name in _OTHER]
    if shape.wide:
        yield from iter_columns(path, needed, rows=batch_size)
    elif "sample_id" in columns and _contiguous(path):
        yield from _whole_points(iter_columns(path, needed, rows=batch_size * _ROWS_PER_POINT))
    else:
        yield from _gathered(read_frame(path, needed), batch_size)


def iter_columns(path: Path, columns: Sequence[str], *, rows: int = _ROWS) -> Iterator[pd.DataFrame]:
    """Some columns of a table, so many rows at a time; at least one piece, even of a table without rows."""
    pieces = _csv_pieces(path, columns, rows) if _is_csv(path) else _parquet_pieces(path, columns, rows)
    some = False
    while (frame := _guarded(path, lambda: next(pieces, None))) is not None:
        some = True
        yield frame
    if not some:
        yield read_frame(path, columns)


def _csv_pieces(path: Path, columns: Sequence[str], rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    with pd.read_csv(path, usecols=list(columns), chunksize=rows, dtype=_as_text(columns)) as pieces:
        yield from pieces


def _parquet_pieces(path: Path, columns: Sequence[str], rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
            yield batch.to_pandas()


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
    except (OSError, ValueError) as error:  # ArrowInvalid, ParserError and UnicodeDecodeError are ValueErrors
        raise DataNotFoundError(
            f"Cannot read '{path}' as a table ({shorten_error(error)}); expected Parquet or CSV."
        ) from error


def _whole_points(pieces: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Regroup the pieces of a long table so that no point is cut."""
    import pandas as pd

    held: pd.DataFrame | None = None
    for piece in pieces:
        frame = piece if held is None else pd.concat([held, piece], ignore_index=True)
        if frame.empty:
            continue
        last = frame["sample_id"] == frame["sample_id"].iloc[-1]
        if not last.all():
            yield frame[~last]
        held = frame[last]
    if held is not None:
        yield held


def _gathered(frame: pd.DataFrame, batch_size: int) -> Iterator[pd.DataFrame]:
    """Pieces of a long table whose points are scattered, in the order in which the points first appear."""
    import pandas as pd

    if "sample_id" not in frame or frame.empty or frame["sample_id"].isna().any():
        yield frame
        return
    number, names = pd.factorize(frame["sample_id"])
    order = np.argsort(number, kind="stable")
    cuts = np.searchsorted(number[order], np.arange(0, len(names) + batch_size, batch_size))
    for first, last in itertools.pairwise(cuts):
        if first < last:
            yield frame.iloc[order[first:last]]


def _contiguous(path: Path) -> bool:
    """Whether the rows of each point follow each other."""
    seen: set[object] = set()
    previous: object = None
    for frame in iter_columns(path, ["sample_id"]):
        names = frame["sample_id"].to_numpy()
        for i in np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]])[: len(names)]):
            if i == 0 and names[0] == previous:
                continue
            key = hash(names[i])  # if two names share a hash, the table is read whole, which is slower but right
            if key in seen:
                return False
            seen.add(key)
        previous = names[-1] if len(names) else previous
    return True
