"""Read LUCAS points: Eurostat's CSV of 2018, ST_LUCAS's harmonised table (CSV, GeoPackage), the authors' test labels.

Their columns have different names; here they are `point_id`, `nuts0`, `lon`, `lat`, `date`, `lc1`, `lu1` and so on.

Source: Eurostat, LUCAS 2018 micro data, record description; d'Andrimont et al. 2020 (harmonised LUCAS); the authors'
`Sen4Map_Test_all_labels.csv`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.places import POINT_PREFIX, settle_lonlat
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.extras import require
from timesenclip.messages import shorten_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LABEL_COLUMNS", "label_column", "read_lucas"]

_COLUMNS: dict[str, tuple[str, ...]] = {
    "point_id": ("point_id", "im_id", "pointid", "lucas_id"),
    "nuts0": ("nuts0", "country", "nuts_label"),
    "lc1": ("lc1", "lc_label"),
    "lu1": ("lu1", "lu_label"),
    "lc1_label": ("lc1_label",),
    "crop": ("crop_label",),
    "bioregion": ("bioregion_class", "bioregion_class_code", "bioregion"),
    "eunis_l2": ("eunis_class", "eunis_l2"),
    "date": ("survey_date", "date"),
    "year": ("year", "survey_year"),
}
_LONLAT = (
    # Measured before theoretical: the photographs were taken at the former.
    ("gps_long", "gps_lat", "gps_ew"),
    ("gps_lon", "gps_lat", "gps_ew"),
    ("th_long", "th_lat", "th_ew"),
    ("th_lon", "th_lat", "th_ew"),
    ("x_wgs84", "y_wgs84", ""),
    ("lon", "lat", ""),
    ("longitude", "latitude", ""),
)
_NO_GPS = 88.888888  # Source: record description: 88.888888 stands for "not relevant"

LABEL_COLUMNS: dict[str, str] = {
    "lucas-land-cover": "lc1",
    "lucas-land-cover-l3": "lc1",
    "lucas-land-use": "lu1",
    "lucas-crops": "lc1",
    "eunis-l2": "eunis_l2",
    "bioregions": "bioregion",
    "countries": "nuts0",
}
"""The column with the labels of each taxonomy of the paper."""


def read_lucas(path: str | Path, *, year: int | None = 2018) -> pd.DataFrame:
    """Read a table of LUCAS points.

    Args:
        path: `.csv`, `.gpkg` or `.parquet`.
        year: keep this survey, where the table has several.

    Returns:
        One row a point: `point_id` (text), `lon`, `lat` (degrees), and those of `nuts0`, `lc1`, `lc1_label`, `lu1`,
        `crop`, `bioregion`, `eunis_l2`, `date` (datetime64) that the table has.

    Raises:
        DataNotFoundError: there is no such file, or it cannot be read.
        InputError: no id or no coordinates, or a point is given twice.

    Warns:
        DegradedInputWarning: longitude and latitude had been swapped.
    """
    import pandas as pd

    raw = _read(Path(path))
    raw.columns = pd.Index([str(name).strip().lower() for name in raw.columns])
    out = pd.DataFrame(index=raw.index)
    for name, candidates in _COLUMNS.items():
        found = next((column for column in candidates if column in raw), None)
        if found is not None:
            out[name] = raw[found]
    if "point_id" not in out:
        raise InputError(f"'{path}' has no column point_id (or im_id); columns: {', '.join(raw.columns[:12])}.")
    out["point_id"] = [_plain(value) for value in out["point_id"]]
    lon, lat = _coordinates(raw, str(path))
    out["lon"], out["lat"], _ = settle_lonlat(lon, lat, source_name=str(path))
    if "year" in out:
        surveys = pd.to_numeric(out["year"], errors="coerce")
        if year is not None and not (surveys == year).any():
            raise InputError(f"'{path}' has no point of {year}; it has {', '.join(map(str, sorted(set(surveys))))}.")
        out = out[(surveys == year).to_numpy()] if year is not None else out
        out = out.drop(columns="year")
    if "date" in out:
        day_first = _day_first(out["date"])
        out["date"] = pd.to_datetime(out["date"].astype(str), errors="coerce", dayfirst=day_first, format="mixed")
    double = out["point_id"][out["point_id"].duplicated()]
    if len(double):
        row = int(np.flatnonzero(out["point_id"].duplicated())[0]) + 2
        raise InputError(
            f"'{path}', line {row}: point {double.iloc[0]} is given twice ({len(double)} such rows); keep one survey."
        )
    return out.reset_index(drop=True)


def label_column(table: pd.DataFrame, taxonomy: str, name: str = "auto") -> str:
    """The column of a table of `read_lucas` that holds the labels of a taxonomy, or the one that is named.

    The authors' test labels keep crops in a column of their own, since their land cover has eight names only.

    Args:
        table: from `read_lucas`.
        taxonomy: its name, for `auto`.
        name: `auto`, a column of ours (`lc1`) or of the file (`lc_label`).

    Raises:
        InputError: no column is usual for this taxonomy.
    """
    if name != "auto":
        found = next((ours for ours, theirs in _COLUMNS.items() if name.lower() in theirs), name)
        return name if name in table else found
    if taxonomy not in LABEL_COLUMNS:
        raise InputError(f"No usual label column for '{taxonomy}'; name one with --labels.")
    return "crop" if taxonomy == "lucas-crops" and "crop" in table else LABEL_COLUMNS[taxonomy]


def _plain(value: object) -> str:
    """An id or code as text: pandas reads ids as floats where one is missing."""
    if isinstance(value, float):
        return "" if not np.isfinite(value) else str(int(value)) if value.is_integer() else str(value)
    text = str(value).strip()
    return text.removeprefix(POINT_PREFIX) if text.lower() not in ("nan", "none", "<na>") else ""


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise DataNotFoundError(f"No LUCAS table at '{path}'; correct the path.")
    try:
        if path.suffix.lower() in (".parquet", ".geoparquet"):
            return pd.read_parquet(path)
        if path.suffix.lower() in (".gpkg", ".shp", ".fgb"):
            return _read_vector(path)
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.readline()
        return pd.read_csv(path, sep=max(",;\t", key=head.count), low_memory=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise DataNotFoundError(
            f"'{path}' is no table ({shorten_error(error)}); give CSV, GeoPackage or Parquet."
        ) from error


def _read_vector(path: Path) -> pd.DataFrame:
    import pandas as pd

    pyogrio = require("train", "pyogrio", needed_by="GeoPackages")
    try:  # without geopandas, which `read_dataframe` would need
        about, _, _, columns = pyogrio.raw.read(path, read_geometry=False)
    except pyogrio.errors.DataSourceError as error:
        raise DataNotFoundError(f"'{path}' cannot be read ({shorten_error(error)}); fetch it again.") from error
    return pd.DataFrame(dict(zip(about["fields"], columns, strict=True)))


def _coordinates(raw: pd.DataFrame, source_name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import pandas as pd

    lon, lat = (np.full(len(raw), np.nan) for _ in range(2))
    for x, y, side in _LONLAT:
        if x not in raw or y not in raw:
            continue
        east, north = (pd.to_numeric(raw[name], errors="coerce").to_numpy(dtype=np.float64) for name in (x, y))
        if side and side in raw:  # Eurostat: western longitudes have no sign, but a W beside them
            west = raw[side].astype(str).str.strip().str.upper().str.match("W|2").to_numpy()
            east = np.where(west & (east > 0), -east, east)
        measured = np.isfinite(east) & np.isfinite(north) & (np.abs(north - _NO_GPS) > 0.01)
        there = np.isnan(lon) & measured & ((east != 0) | (north != 0))
        lon, lat = np.where(there, east, lon), np.where(there, north, lat)
    if np.isnan(lon).all():
        raise InputError(
            f"{source_name}: no coordinates; expected gps_long and gps_lat, th_long and th_lat, or lon and lat."
        )
    return lon, lat


def _day_first(values: pd.Series) -> bool:
    """Eurostat writes 13/06/18, the harmonised table 2018-06-13."""
    return bool(values.astype(str).str.match(r"\d{1,2}[/.]").any())
