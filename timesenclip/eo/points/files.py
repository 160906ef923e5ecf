"""The files behind point tables: recognise their form, and read them in pieces of whole points."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.points.pieces import column_names, iter_columns, read_frame
from timesenclip.eo.points.scattered import gathered
from timesenclip.eo.sensors import AUTO, READABLE, Sensor, chosen_sensor
from timesenclip.errors import BandError, InputError, TimeError
from timesenclip.messages import list_some

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableShape", "attribute_columns", "iter_frames", "table_shape"]

_WIDE = re.compile(r"^(?P<band>.+?)[-_]ts(?P<step>\d+)(?:[-_]\d+m)?$", re.IGNORECASE)
_PLACES = ("lat", "lon", "latitude", "longitude", "lat_deg", "lon_deg", "geometry")
_OTHER = frozenset({"sample_id", "valid_time", "year", "start_date", "timestamp", *_PLACES})
_ROWS_PER_POINT = 12
_STEP_DIGITS = 4
_MOST_STEPS = 2_000_000
"""Points times dates of the longest series in a piece whose other series are shorter: some 80 MB of values."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """Where the bands of a table are."""

    wide: bool
    """True: one row a point. False: one row a point and date."""
    bands: tuple[str, ...]
    """Bands found, in no particular order."""
    columns: tuple[tuple[str, ...], ...]
    """For each band its columns, one a step (wide; "" where a step has none) or one (long)."""
    steps: tuple[int, ...] = ()
    """Numbers of the steps (wide), increasing; a number that is left out is a step that is missing."""
    sensor: Sensor = READABLE["sentinel-2"]
    """The sensor whose names they are."""

    def taken(self) -> dict[str, str]:
        """Which columns were taken for which band, in order of the bands: the first column of each."""
        first = {band: next(filter(None, names)) for band, names in zip(self.bands, self.columns, strict=True)}
        return {band: first[band] for band in BAND_NAMES if band in first}


def table_shape(columns: Sequence[str], *, source_name: str, sensor: str = AUTO) -> TableShape:
    """Recognise a table by its columns.

    Args:
        columns: their names.
        source_name: name of the table, for messages.
        sensor: whose names they are, as `timesenclip.eo.sensors.chosen_sensor` takes it.

    Raises:
        BandError: no band, a band twice, an unknown band or sensor, or names that two sensors have.
        TimeError: bands without the dates they were seen at.
    """
    matches = {column: _WIDE.match(column) for column in columns}
    names = {column: match["band"] if match else column for column, match in matches.items()}
    chosen = chosen_sensor(names.values(), sensor=sensor, source_name=source_name)
    wide: dict[str, dict[int, str]] = {}
    long: dict[str, dict[int, str]] = {}
    for column, match in matches.items():
        if match and len(match["step"]) > _STEP_DIGITS:
            raise BandError(f"{source_name}: column '{column[:60]}' names a step above 9999; number the steps from 0.")
        band = chosen.band_of(names[column])
        if band is None:
            unknown = chosen.unknown(names[column])
            if unknown is not None:
                raise BandError(
                    f"{source_name}: column '{column}' names the unknown band '{unknown}'; expected "
                    f"{', '.join(chosen.bands)}{' in the numbers of Landsat' if chosen.numbers == 'landsat' else ''}."
                )
            continue
        home, step = (wide.setdefault(band, {}), int(match["step"])) if match else (long.setdefault(band, {}), 0)
        if step in home:
            raise BandError(f"{source_name}: {band} stands in both '{home[step]}' and '{column}'; keep one of them.")
        home[step] = column
    if wide:
        return _wide_shape(wide, chosen)
    if long and "timestamp" in columns:
        return TableShape(False, tuple(long), tuple((found[0],) for found in long.values()), sensor=chosen)
    if long:
        raise TimeError(
            f"{source_name} has band columns but no 'timestamp'; a long table needs one row a point and date."
        )
    raise BandError(
        f"{source_name} has no band columns{'' if sensor == AUTO else f' of {sensor}'}; expected wide ones such as "
        "OPTICAL-B02-ts0-10m, or long ones such as S2-L2A-B02 with 'timestamp'. Found: "
        f"{list_some(columns, 12, separator=', ')}."
    )


def _wide_shape(wide: dict[str, dict[int, str]], sensor: Sensor) -> TableShape:
    steps = sorted({step for have in wide.values() for step in have})
    columns = tuple(tuple(wide[band].get(step, "") for step in steps) for band in wide)
    return TableShape(True, tuple(wide), columns, tuple(steps), sensor)


def attribute_columns(columns: Sequence[str]) -> list[str]:
    """Columns that describe a point as a whole, such as labels: neither bands nor steps of a series."""
    return [name for name in columns if not _is_band(name) and not _WIDE.match(name)]


def _is_band(name: str) -> bool:
    return any(sensor.band_of(name) is not None for sensor in READABLE.values())


def iter_frames(path: Path, *, batch_size: int, sensor: str = AUTO) -> Iterator[pd.DataFrame]:
    """Read a table in pieces of whole points: what the series need, and nothing else.

    Wide tables are read `batch_size` rows at a time. So are long ones, twelve rows for a point, if the rows of each
    point follow each other; the names are read first, piece by piece, to see that. The rows of a long table whose
    points are scattered are sorted in temporary files; a table without names is given out whole.

    Raises:
        DataNotFoundError: no such file, or not a table.
        InputError: `batch_size` is below 1.
    """
    columns = column_names(path)
    shape = table_shape(columns, source_name=str(path), sensor=sensor)
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected 1 or more.")
    bands = {column for names in shape.columns for column in names if column}
    needed = [name for name in columns if name in bands or name in _OTHER]
    if shape.wide:
        yield from iter_columns(path, needed, rows=batch_size)
    elif "sample_id" in columns and _contiguous(path):
        for frame in _whole_points(iter_columns(path, needed, rows=batch_size * _ROWS_PER_POINT)):
            yield from _without_padding(frame)
    elif "sample_id" in columns:
        for frame in gathered(path, needed, batch_size=batch_size):
            yield from _without_padding(frame)
    else:
        yield read_frame(path, needed)


def _whole_points(pieces: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Regroup the pieces of a long table so that no point is cut; at least one piece."""
    import pandas as pd

    held: pd.DataFrame | None = None
    for piece in pieces:
        frame = piece if held is None or held.empty else pd.concat([held, piece], ignore_index=True)
        held = frame
        if frame.empty:
            continue
        last = frame["sample_id"] == frame["sample_id"].iloc[-1]
        if not last.all():
            yield frame[~last]
        held = frame[last]
    if held is not None:
        yield held


def _without_padding(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Split a piece of a long table where a few points have very many dates.

    All series of a piece are as long as its longest one, so that one point of 40,000 dates would make 20,000 others
    as long.
    """
    import pandas as pd

    number = pd.factorize(frame["sample_id"])[0]
    dates = np.bincount(number[number >= 0])
    if len(dates) * dates.max(initial=0) <= max(_MOST_STEPS, 2 * len(frame)):
        yield frame
        return
    piece = np.zeros(len(dates) + 1, dtype=np.intp)  # the last for rows without a name, which are refused later
    points = longest = 0
    for i, count in enumerate(dates):
        points, longest = points + 1, max(longest, int(count))
        if points > 1 and points * longest > _MOST_STEPS:
            points, longest = 1, int(count)
            piece[i:] += 1
    for k in range(int(piece[-1]) + 1):
        yield frame[piece[number] == k]


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
