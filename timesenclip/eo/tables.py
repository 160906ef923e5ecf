"""The files behind point tables: recognise their form, and read them in bounded pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, canonical_band
from timesenclip.eo.period import Every
from timesenclip.errors import BandError, DataNotFoundError, InputError, TimeError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableShape", "columns_of", "iter_frames", "table_shape", "wide_dates"]

_WIDE = re.compile(r"^(?P<band>.+?)[-_]ts(?P<step>\d+)(?:[-_]\d+m)?$", re.IGNORECASE)
_LOOKS_LIKE_BAND = re.compile(r"^(?:S2[-_]L2A[-_]|OPTICAL[-_]|SENTINEL2[-_]|S2[-_])?(B\d{1,2}A?|B8A)$", re.IGNORECASE)
_UNUSED = frozenset({"B01", "B1", "B09", "B9", "B10"})
_OTHER = ("sample_id", "lat", "lon", "latitude", "longitude", "lat_deg", "lon_deg", "valid_time", "year", "start_date")


@dataclass(frozen=True, slots=True)
class TableShape:
    """Where the bands of a table are."""

    wide: bool
    """True: one row a point. False: one row a point and date."""
    bands: tuple[str, ...]
    """Bands found, in no particular order."""
    columns: tuple[tuple[str, ...], ...]
    """For each band its columns, one a step (wide) or one (long)."""


def table_shape(columns: list[str], *, where: str) -> TableShape:
    """Recognise a table by its columns.

    Raises:
        BandError: no band, a band twice, an unknown band, or steps that differ between bands.
    """
    wide: dict[str, dict[int, str]] = {}
    long: dict[str, str] = {}
    for column in columns:
        match = _WIDE.match(column)
        name = match["band"] if match else column
        band = canonical_band(name)
        if band is None:
            bare = _LOOKS_LIKE_BAND.match(name)
            if bare and bare[1].upper() not in _UNUSED:
                raise BandError(
                    f"{where}: column '{column}' names the unknown band '{bare[1]}'; expected {', '.join(BAND_NAMES)}."
                )
            continue
        home = wide.setdefault(band, {}) if match else long
        key = int(match["step"]) if match else band
        if key in home:
            raise BandError(f"{where}: {band} stands in both '{home[key]}' and '{column}'; keep one of them.")  # type: ignore[index]
        home[key] = column  # type: ignore[index]
    if wide:
        steps = {band: sorted(found) for band, found in wide.items()}
        want = max(steps.values(), key=len)
        for band, have in steps.items():
            if have != want:
                gone = sorted(set(want) - set(have))
                raise BandError(f"{where}: {band} lacks the steps {gone}; every band needs the same steps.")
        return TableShape(True, tuple(wide), tuple(tuple(wide[b][s] for s in want) for b in wide))
    if long and "timestamp" in columns:
        return TableShape(False, tuple(long), tuple((column,) for column in long.values()))
    if long:
        raise TimeError(f"{where} has band columns but no 'timestamp'; a long table needs one row a point and date.")
    raise BandError(
        f"{where} has no band columns; expected wide ones such as OPTICAL-B02-ts0-10m, or long ones such as "
        f"S2-L2A-B02 with "
        f"'timestamp'. Found: {', '.join(columns[:12])}."
    )


def wide_dates(frame: pd.DataFrame, steps: int, step: Every | int, *, where: str) -> NDArray[np.datetime64]:
    """(N, T, 2) first day of each step and first day after it, from `start_date`.

    Raises:
        TimeError: `start_date` is absent or no date, or `step` is unknown.
    """
    import pandas as pd

    if "start_date" not in frame:
        raise TimeError(f"{where}: a wide table needs a column 'start_date', the first day of step 0.")
    try:
        first = pd.to_datetime(frame["start_date"]).to_numpy().astype("datetime64[D]")
    except (ValueError, TypeError) as error:
        raise TimeError(f"{where}: column 'start_date' holds no dates ({error}); expected 2018-01-01.") from error
    if np.isnat(first).any():
        raise TimeError(f"{where}: row {int(np.isnat(first).argmax())} has no start_date; give each row a date.")
    number = np.arange(steps + 1)
    months = {"month": 1, "quarter": 3, "year": 12}
    if isinstance(step, int):
        if step < 1:
            raise TimeError(f"A step of {step} days; expected 1 or more.")
        edges = first[:, None] + step * number
    elif step in months:
        edges = (first.astype("datetime64[M]")[:, None] + months[step] * number).astype("datetime64[D]")
    elif step == "dekad":
        month = first.astype("datetime64[M]")
        dekad = month.astype(int) * 3 + np.minimum((first - month.astype("datetime64[D]")).astype(int) // 10, 2)
        count = dekad[:, None] + number
        edges = (count // 3).astype("datetime64[M]").astype("datetime64[D]") + 10 * (count % 3)
    else:
        raise TimeError(f"Unknown step '{step}'; expected month, quarter, year, dekad or a number of days.")
    return np.stack([edges[:, :-1], edges[:, 1:]], axis=-1)


def columns_of(path: Path) -> list[str]:
    """Column names of a table.

    Raises:
        DataNotFoundError: no such file, or not a table.
    """
    if not path.is_file():
        raise DataNotFoundError(f"No file '{path}'; give a Parquet, GeoParquet or CSV table of points.")
    try:
        if path.suffix.lower() == ".csv":
            import pandas as pd

            return [str(name) for name in pd.read_csv(path, nrows=0).columns]
        import pyarrow.parquet as pq

        return [str(name) for name in pq.read_schema(path).names]
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise DataNotFoundError(f"Cannot read '{path}' as a table ({reason}); expected Parquet or CSV.") from error


def iter_frames(path: Path, *, batch_size: int | None) -> Iterator[pd.DataFrame]:
    """Read a table in pieces of whole points; with `batch_size` None in one.

    Raises:
        DataNotFoundError: no such file, or not a table.
    """
    columns = columns_of(path)
    shape = table_shape(columns, where=str(path))
    if batch_size is None:
        yield _read(path, None)
        return
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected 1 or more.")
    bands = {column for names in shape.columns for column in names}
    needed = [name for name in columns if name in bands or name in (*_OTHER, "timestamp")]
    pieces = _pieces(path, needed, batch_size if shape.wide else batch_size * 12)
    yield from pieces if shape.wide else _whole_points(path, pieces, needed)


def _read(path: Path, columns: list[str] | None) -> pd.DataFrame:
    import pandas as pd

    if path.suffix.lower() == ".csv":
        return pd.read_csv(path, usecols=columns)
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read(columns=columns).to_pandas(ignore_metadata=True)  # type: ignore[no-any-return]
    except OSError as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise DataNotFoundError(f"Cannot read '{path}' ({reason}); the file may be cut short.") from error


def _pieces(path: Path, columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    if path.suffix.lower() == ".csv":
        some = False
        for frame in pd.read_csv(path, usecols=columns, chunksize=rows):
            some = True
            yield frame
        if not some:
            yield pd.read_csv(path, usecols=columns)
        return
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    if file.metadata.num_rows == 0:
        yield _read(path, columns)
    for batch in file.iter_batches(batch_size=rows, columns=columns):
        yield batch.to_pandas()


def _whole_points(path: Path, pieces: Iterator[pd.DataFrame], columns: list[str]) -> Iterator[pd.DataFrame]:
    """Regroup the pieces of a long table so that no point is cut; scattered points mean reading it whole."""
    import pandas as pd

    if not _contiguous(path):
        yield _read(path, columns)
        return
    held: pd.DataFrame | None = None
    for piece in pieces:
        frame = piece if held is None else pd.concat([held, piece], ignore_index=True)
        if "sample_id" not in frame or frame.empty:
            yield frame
            continue
        last = frame["sample_id"] == frame["sample_id"].iloc[-1]
        if last.all():
            held = frame
            continue
        yield frame[~last]
        held = frame[last]
    if held is not None:
        yield held


def _contiguous(path: Path) -> bool:
    """Whether the rows of each point follow each other (decided from the names alone, read piece by piece)."""
    seen: set[int] = set()
    previous: object = None
    for frame in _pieces(path, ["sample_id"], 200_000) if "sample_id" in columns_of(path) else ():
        names = frame["sample_id"].to_numpy()
        changes = np.flatnonzero(names[1:] != names[:-1]) + 1
        starts = np.concatenate([[0], changes]) if len(names) else changes
        for i in starts:
            if i == 0 and names[0] == previous:
                continue
            key = hash(names[i])
            if key in seen:
                return False
            seen.add(key)
        previous = names[-1] if len(names) else previous
    return True
