"""Pair ground views with the pixel series of the same place.

LUCAS needs no table: the `point_id` of a view is the `sample_id` of the store. Other data need a pairs table, one row a
pair:

    series_id   text, a `sample_id` of the training store                              required
    photo_id    text, a name in the ground store                                       this
    embedding   list of D numbers                                                      or this
    lon, lat    degrees EPSG:4326, of the photograph                                   optional
    date        day of the photograph                                                  optional
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.ground_views import GroundViews
from timesenclip.data.store import SeriesStore
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.files import atomic_path
from timesenclip.messages import shorten_error
from timesenclip.owned import require_own_file
from timesenclip.spatial import nearest_m

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PairedPlaces",
    "check_pairs_output",
    "join_pairs",
    "pair_by_id",
    "pair_by_table",
    "read_pairs",
    "read_photo_table",
    "write_pairs",
]

_PAIR_COLUMNS = ("series_id", "photo_id", "lon", "lat", "distance_m")
"""Columns of `join_pairs`; photographs with dates have `date`, too."""


@dataclass(frozen=True, slots=True)
class PairedPlaces:
    """Places that have ground views."""

    rows: NDArray[np.int64]
    """(N,) positions in the store's index."""
    views: NDArray[np.int64]
    """(N, P) rows of `vectors`, -1 = no such view; each place has at least one."""
    vectors: NDArray[np.float16]
    """(M, D) ground vectors."""
    left_out: dict[str, int]
    """Places of the store that were left out, by reason."""

    def __len__(self) -> int:
        """Number of places, N."""
        return len(self.rows)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> PairedPlaces:
        """The places at `index`."""
        return PairedPlaces(self.rows[index], self.views[index], self.vectors, self.left_out)


def pair_by_id(
    store: SeriesStore,
    views: GroundViews,
    *,
    directions: Sequence[str] = ("W", "E", "N", "S"),
    least: int = 1,
    exclude: Sequence[str] = (),
) -> PairedPlaces:
    """Pair LUCAS points with the views of the same point.

    Args:
        store: the pixel series.
        views: ground vectors with `point_id` and `direction`.
        directions: views to use, in this order; a missing one stays missing.
        least: fewest views that a place must have (the paper: all four).
        exclude: point ids to leave out.

    Raises:
        InputError: no place is left; the message counts the reasons.
    """
    column = {name: i for i, name in enumerate(directions)}
    found: dict[str, dict[int, int]] = {}
    for i, (point, view) in enumerate(zip(views.point_id.tolist(), views.direction.tolist(), strict=True)):
        if view in column:
            found.setdefault(point, {})[column[view]] = i
    names = store.index["sample_id"].astype(str).to_numpy()
    excluded = set(map(str, exclude))
    table = np.full((len(names), len(directions)), -1, dtype=np.int64)
    for row, name in enumerate(names.tolist()):
        for place, view in found.get(name, {}).items():
            table[row, place] = view
    return _kept(store, table, views.vectors, least=least, excluded=np.isin(names, list(excluded)))


def pair_by_table(
    store: SeriesStore, pairs: pd.DataFrame, views: GroundViews | None, *, least: int = 1, most: int = 8
) -> PairedPlaces:
    """Pair by a table that `read_pairs` read.

    Args:
        store: the pixel series.
        pairs: the table.
        views: where `photo_id` is looked up; not needed where the table holds embeddings.
        least, most: fewest and most views of a place; of more, the first ones are used.

    Raises:
        InputError: ids that are not in the store or the views (with their rows), or no place is left.
    """
    position = {name: i for i, name in enumerate(store.index["sample_id"].astype(str))}
    target = [position.get(name, -1) for name in pairs["series_id"]]
    _refuse_unknown(pairs, "series_id", np.array(target) < 0, f"the store '{store.folder}'")
    if "embedding" in pairs:
        vectors = np.stack([np.asarray(v, dtype=np.float16) for v in pairs["embedding"]])
        source = list(range(len(pairs)))
    else:
        if views is None:
            raise InputError("The pairs table names photographs, so the ground store is needed too; give both.")
        names = {name: i for i, name in enumerate(views.photo_id.tolist())}
        source = [names.get(name, -1) for name in pairs["photo_id"]]
        _refuse_unknown(pairs, "photo_id", np.array(source) < 0, "the ground store")
        vectors = views.vectors
    table = np.full((len(store), most), -1, dtype=np.int64)
    filled = np.zeros(len(store), dtype=np.int64)
    for row, view in zip(target, source, strict=True):
        if filled[row] < most:
            table[row, filled[row]] = view
            filled[row] += 1
    width = max(1, int(filled.max(initial=0)))
    return _kept(store, table[:, :width], vectors, least=least, excluded=np.zeros(len(store), dtype=np.bool_))


def _kept(
    store: SeriesStore,
    table: NDArray[np.int64],
    vectors: NDArray[np.float16],
    *,
    least: int,
    excluded: NDArray[np.bool_],
) -> PairedPlaces:
    _, observations = store.arrays()
    seen = observations.any(axis=1)
    enough = (table >= 0).sum(axis=1) >= least
    keep = seen & enough & ~excluded
    left_out = {
        "excluded by id": int(excluded.sum()),
        "never seen clearly": int((~seen & ~excluded).sum()),
        f"fewer than {least} ground views": int((seen & ~enough & ~excluded).sum()),
    }
    if not keep.any():
        why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
        raise InputError(f"None of the {len(store):,} places of '{store.folder}' can be used: {why}. Do the ids agree?")
    return PairedPlaces(np.flatnonzero(keep), table[keep], vectors, left_out)


def _refuse_unknown(pairs: pd.DataFrame, column: str, bad: NDArray[np.bool_], table: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"Pairs table, row {row + 1}: {column} '{pairs[column].iloc[row]}' is not in {table} "
            f"({int(bad.sum())} such rows); correct them or leave them out."
        )


def read_pairs(path: str | Path) -> pd.DataFrame:
    """Read and check a pairs table (.csv or .parquet); the columns are those of the module's description.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: a column is missing, or a cell is empty, not a number or of another size; the message gives the row.
    """
    import pandas as pd

    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No pairs table at '{file}'; make one with `timesenclip data pair`.")
    text = {"series_id": str, "photo_id": str}
    frame = pd.read_parquet(file) if file.suffix in (".parquet", ".geoparquet") else pd.read_csv(file, dtype=text)
    if "series_id" not in frame or not {"photo_id", "embedding"} & set(frame.columns):
        raise InputError(
            f"'{file}' has the columns {', '.join(map(str, frame.columns))}; expected series_id, and photo_id or "
            "embedding."
        )
    for name in ("series_id", "photo_id"):
        if name in frame and not (name == "photo_id" and "embedding" in frame):
            _first_bad(file, frame[name].isna() | (frame[name].astype(str) == ""), f"{name} is empty")
            frame[name] = frame[name].astype(str)
    for name, most in (("lon", 180.0), ("lat", 90.0)):
        if name in frame:
            values = pd.to_numeric(frame[name], errors="coerce")
            _first_bad(file, frame[name].notna() & ~(values.abs() <= most), f"{name} is not a number of degrees")
            frame[name] = values
    if "date" in frame:
        dates = pd.to_datetime(frame["date"], errors="coerce")
        _first_bad(file, frame["date"].notna() & dates.isna(), "date is not a day such as 2018-06-13")
        frame["date"] = dates
    if "embedding" in frame:
        sizes = frame["embedding"].map(lambda v: len(v) if hasattr(v, "__len__") and not isinstance(v, str) else -1)
        _first_bad(file, sizes != sizes.iloc[0], f"the embedding has another size than {sizes.iloc[0]}, that of row 1")
        broken = frame["embedding"].map(lambda v: not np.isfinite(np.asarray(v, dtype=float)).all())
        _first_bad(file, broken, "the embedding is not finite")
    return frame


def _first_bad(file: Path, bad: pd.Series, what: str) -> None:
    if bad.any():
        raise InputError(f"'{file}', row {int(bad.to_numpy().argmax()) + 1}: {what} ({int(bad.sum())} such rows).")


def _in_time(dates: pd.Series, first: NDArray[np.datetime64], steps: int, max_days: int) -> NDArray[np.bool_]:
    """(P,) whether each date lies in the months `first` to `first + steps`, or at most `max_days` outside them."""
    import pandas as pd

    date = pd.to_datetime(dates).to_numpy().astype("datetime64[D]")
    margin = np.timedelta64(max_days, "D")
    last = (first + steps).astype("datetime64[D]")
    return np.asarray((date >= first.astype("datetime64[D]") - margin) & (date < last + margin))


def join_pairs(
    store: SeriesStore, photos: pd.DataFrame, *, max_distance_m: float = 30.0, max_days: int | None = None
) -> pd.DataFrame:
    """Pair photographs with the nearest pixel series.

    Args:
        store: the pixel series, with coordinates.
        photos: `photo_id` (or `photo`), `lon`, `lat`, and `date` where `max_days` is given.
        max_distance_m: a photograph farther from every place is left out.
        max_days: a photograph taken more days before the first or after the last month of the series is left out.

    Returns:
        A pairs table with `distance_m`, nearest first within a place.

    Raises:
        InputError: columns or coordinates are missing, or no photograph is near enough; the message gives the smallest
            distance.
    """
    import pandas as pd

    name = "photo_id" if "photo_id" in photos else "photo"
    lacking = [c for c in (name, "lon", "lat", *(["date"] if max_days is not None else [])) if c not in photos]
    if lacking:
        raise InputError(
            f"The table of photographs has no column {', '.join(lacking)}; columns: {', '.join(photos.columns)}."
        )
    known = np.flatnonzero(np.isfinite(store.index["lon"]) & np.isfinite(store.index["lat"]))
    if not len(known):
        raise InputError(f"No place of '{store.folder}' has coordinates; pair by id instead.")
    index = store.index.iloc[known]
    if photos.empty:
        raise InputError("The table of photographs has no rows; give one row a photograph.")
    lon, lat = (_degrees(photos[c]) for c in ("lon", "lat"))
    here = np.isfinite(lon) & np.isfinite(lat)
    distance, nearest = np.full(len(photos), np.inf), np.zeros(len(photos), dtype=np.intp)
    distance[here], nearest[here] = nearest_m(
        lat_deg=lat[here],
        lon_deg=lon[here],
        to_lat_deg=index["lat"].to_numpy(),
        to_lon_deg=index["lon"].to_numpy(),
    )
    keep = distance <= max_distance_m
    if max_days is not None:
        keep &= _in_time(photos["date"], store.first_month()[known][nearest], int(store.attributes["steps"]), max_days)
    if not keep.any():
        raise InputError(
            f"No photograph lies within {max_distance_m:g} m of a place"
            f"{' and in its time' if max_days is not None else ''}; the nearest is {float(distance.min()):,.0f} m away."
        )
    table = pd.DataFrame(
        {
            "series_id": index["sample_id"].astype(str).to_numpy()[nearest],
            "photo_id": photos[name].astype(str).to_numpy(),
            "lon": lon,
            "lat": lat,
            "distance_m": distance,
        }
    )
    if "date" in photos:
        table["date"] = pd.to_datetime(photos["date"]).to_numpy()
    return table[keep].sort_values(["series_id", "distance_m", "photo_id"], ignore_index=True)


def _degrees(values: pd.Series) -> NDArray[np.float64]:
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"The column '{values.name}' of the table of photographs holds no numbers ({shorten_error(error)}); "
            "expected degrees."
        ) from error


def read_photo_table(path: str | Path) -> pd.DataFrame:
    """Read the table of photographs that `join_pairs` takes, `.csv` or `.parquet`.

    Raises:
        DataNotFoundError: it does not exist, or cannot be read.
    """
    import pandas as pd

    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No table at '{file}'; correct the path.")
    try:
        return pd.read_parquet(file) if file.suffix in (".parquet", ".geoparquet") else pd.read_csv(file)
    except (ValueError, OSError) as error:  # Arrow's and pandas' parser errors are ValueErrors
        raise DataNotFoundError(
            f"'{file}' is no table that can be read ({shorten_error(error)}); give CSV or Parquet."
        ) from error


def check_pairs_output(path: str | Path, *inputs: str | Path) -> None:
    """Check, before any work, that a table of pairs replaces nothing that is not ours.

    Args:
        path: the output.
        inputs: files that are read, which are never replaced.

    Raises:
        InputError: it would.
    """
    require_own_file(path, _is_pairs_table, what="table of pairs", inputs=inputs)


def _is_pairs_table(file: Path) -> bool:
    """Whether the columns of a table are those of `join_pairs`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix == ".csv":
        with file.open("rb") as opened:
            head = opened.readline(200).decode("utf-8", errors="replace").strip().split(",")
    else:
        try:
            head = pq.read_schema(file).names
        except (pa.ArrowException, OSError):  # no Parquet file
            return False
    return tuple(head) in (_PAIR_COLUMNS, (*_PAIR_COLUMNS, "date"))


def write_pairs(pairs: pd.DataFrame, path: str | Path) -> Path:
    """Write a pairs table, as CSV where the name ends in `.csv` and as Parquet otherwise; missing folders are made.

    The file appears under its name only when it is complete.

    Raises:
        InputError: it exists and is no table of pairs with distances, as `join_pairs` makes them.
    """
    file = Path(path)
    check_pairs_output(file)
    with atomic_path(file) as scratch:
        if file.suffix == ".csv":
            pairs.to_csv(scratch, index=False)
        else:
            pairs.to_parquet(scratch)
    return file
