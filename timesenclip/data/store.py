"""The training store: pixel years of many places in Zarr v3, and a GeoParquet index of the places.

    FOLDER/zarr.json          what it holds: months, bands, patch size, how it was composited
    FOLDER/dn                 (N, T, C) or (N, T, C, Y, X) uint16, DN (reflectance x 10000), 65535 = missing; sharded
    FOLDER/observations       (N, T) uint8, clear observations behind each month, 0 = missing
    FOLDER/bands              (N, T) uint16, bit c = band c was seen; only where some month lacks a band (version 2)
    FOLDER/index.parquet      one row a place: `row` in the arrays, `sample_id`, `lon`, `lat`, `first_month`, labels

The T steps of a place are consecutive calendar months from its `first_month`. All training data become such a store;
`timesenclip.data.store_writer` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.cube.files_read import check_regular, zarr_entries
from timesenclip.eo.radiometry import QUANTIFICATION
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.extras import require
from timesenclip.messages import shorten_error, show_value
from timesenclip.read_files import read_json
from timesenclip.series import PixelSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BAND_MASKS",
    "FORMAT_VERSION",
    "FORMAT_VERSION_BANDS",
    "SeriesStore",
    "bits_of_bands",
    "import_zarr",
    "seen_bands",
    "stored_reflectance",
]

FORMAT_VERSION = 1
"""Version of the layout where every month has all bands."""
FORMAT_VERSION_BANDS = 2
"""Version of a store with the array `bands`, which versions of this package before it would read as if all were there.
A store of any other version is refused."""
BAND_MASKS = "band_masks"
"""Attribute: whether the store has the array `bands`."""


def import_zarr() -> Any:
    """The package zarr, which training stores need.

    Raises:
        MissingExtraError: it is not installed.
    """
    return require("train", "zarr", needed_by="Training stores")


@dataclass(frozen=True)
class SeriesStore:
    """An opened training store."""

    folder: Path
    """Where it is."""
    index: pd.DataFrame
    """One row a place, in order; `row` says where it stands in the arrays."""
    attributes: Mapping[str, Any]
    """What it holds and how it was made."""

    @classmethod
    def open(cls, folder: str | Path) -> SeriesStore:
        """Open a store.

        Raises:
            DataNotFoundError: there is no store, or it is not complete.
            InputError: it was written by another version, or its index cannot be.
            MissingExtraError: zarr is not installed.
        """
        import pandas as pd

        root = Path(folder)
        if not (root / "zarr.json").is_file() or not (root / "index.parquet").is_file():
            unfinished = root.with_name(root.name + ".partial")
            hint = f"; '{unfinished}' is unfinished: run the same command again" if unfinished.is_dir() else ""
            raise DataNotFoundError(
                f"No training store at '{root}' (zarr.json and index.parquet expected){hint}. "
                "Make one with `timesenclip data sen4map` or `timesenclip data points`."
            )
        zarr = import_zarr()
        try:
            read_json(root / "zarr.json", what="zarr.json of a store")
            check_regular(root / "index.parquet")
            attributes = dict(zarr.open_group(str(root), mode="r").attrs)
            index = pd.read_parquet(root / "index.parquet")
        # What zarr and pyarrow raise of files that are cut short or hold something else.
        except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
            raise DataNotFoundError(
                f"Cannot read the training store '{root}' ({shorten_error(error)}); convert the data again."
            ) from error
        if attributes.get("format_version") not in (FORMAT_VERSION, FORMAT_VERSION_BANDS):
            raise InputError(
                f"'{root}' has format_version {attributes.get('format_version')!r}; this version reads "
                f"{FORMAT_VERSION} and {FORMAT_VERSION_BANDS}. Convert the data again."
            )
        lacking = {"row", "sample_id", "lon", "lat", "first_month"} - set(index.columns)
        if lacking:
            raise InputError(
                f"'{root}': index.parquet has no column {', '.join(sorted(lacking))}; convert the data again."
            )
        _check_index(index, root)
        _check_attributes(attributes, root)
        return cls(root, index, attributes)

    def __len__(self) -> int:
        """Number of places, N."""
        return len(self.index)

    @property
    def patch_size(self) -> int:
        """Side of the patches in pixels; 1 is a single pixel."""
        return int(self.attributes["patch_size"])

    def arrays(self, rows: NDArray[np.integer] | slice | None = None) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """DN (n, T, C[, Y, X]) and observations (n, T) of places, by position in `index`; default: all, in memory.

        Raises:
            InputError: the arrays are damaged, or not those of such a store.
        """
        dn, observations = self._read(("dn", "observations"), rows)
        return dn, observations

    def band_bits(self, rows: NDArray[np.integer] | slice | None = None) -> NDArray[np.uint16] | None:
        """(n, T) which bands each month has, for `seen_bands`; None where every month has all of them.

        Raises:
            InputError: as `arrays`.
        """
        return self._read(("bands",), rows)[0] if self.attributes.get(BAND_MASKS) else None

    def _read(self, names: Sequence[str], rows: NDArray[np.integer] | slice | None) -> list[NDArray[Any]]:
        _ = self._are_checked
        row = self.index["row"].to_numpy()[slice(None) if rows is None else rows]
        try:
            group = import_zarr().open_group(str(self.folder), mode="r")
            return [_rows_of(group[name], row, whole=rows is None) for name in names]
        # What Zarr and its codecs raise of a chunk that is cut short or holds something else.
        except (ValueError, RuntimeError, LookupError, TypeError) as error:
            raise InputError(
                f"The training store '{self.folder}' has a damaged chunk ({shorten_error(error)}); convert the data "
                "again."
            ) from error

    @cached_property
    def _are_checked(self) -> bool:
        """True; checked once, before anything is read.

        Raises:
            InputError: an array is missing, of another shape or type, or a chunk is no regular file.
        """
        patch = (self.patch_size,) * 2 if self.patch_size > 1 else ()
        steps, last = int(self.attributes["steps"]), int(self.index["row"].max())
        arrays = [("dn", "uint16", (len(BAND_NAMES), *patch)), ("observations", "uint8", ())]
        if self.attributes.get(BAND_MASKS):
            arrays.append(("bands", "uint16", ()))
        for name, kind, tail in arrays:
            try:
                for _ in zarr_entries(str(self.folder / name)):
                    pass
                array = import_zarr().open_array(str(self.folder / name), mode="r")
                found = f"{array.dtype} of shape {tuple(array.shape)}"
                right = array.dtype == kind and array.shape[1:] == (steps, *tail) and array.shape[0] > last
            except InputError:
                raise
            # What Zarr raises of an array that is missing, or whose metadata are of no kind that it knows.
            except (OSError, ValueError, TypeError, LookupError, RuntimeError) as error:
                found, right = shorten_error(error), False
            if not right:
                raise InputError(
                    f"'{self.folder / name}' ({found}) is no array of {kind} with more than {last} rows of "
                    f"{(steps, *tail)}; convert the data again."
                )
        return True

    def first_month(self) -> NDArray[np.datetime64]:
        """(N,) datetime64[M], month of the first step of each place."""
        return self.index["first_month"].to_numpy().astype("datetime64[M]")

    def series(self, rows: NDArray[np.integer] | slice | None = None) -> PixelSeries:
        """Places as `PixelSeries`, by position in `index`; default: all."""
        dn, observations = self.arrays(rows)
        chosen = self.index.iloc[np.arange(len(self))[slice(None) if rows is None else rows]]
        months = chosen["first_month"].to_numpy().astype("datetime64[M]")[:, None] + np.arange(dn.shape[1] + 1)
        days = months.astype("datetime64[D]")  # (n, T + 1)
        bits = self.band_bits(rows)
        bands = None if bits is None else seen_bands(bits)
        valid = observations > 0
        return PixelSeries(
            reflectance=stored_reflectance(dn, valid, bands),
            valid=valid,
            start=days[:, :-1].copy(),
            end=days[:, 1:].copy(),
            sample_id=tuple(chosen["sample_id"].astype(str)),
            lon_deg=chosen["lon"].to_numpy(dtype=np.float64),
            lat_deg=chosen["lat"].to_numpy(dtype=np.float64),
            provenance={"source": str(self.folder), **{k: v for k, v in self.attributes.items() if k != "bands"}},
            band_valid=bands,
        )


def _rows_of(array: Any, row: NDArray[np.integer], *, whole: bool) -> NDArray[Any]:
    if len(row) and np.array_equal(row, np.arange(row[0], row[0] + len(row))):
        return np.asarray(array[int(row[0]) : int(row[-1]) + 1])
    end = int(row.max()) + 1
    if whole and end <= 4 * len(row):  # a few rows are left out: reading all and choosing in memory is faster
        return np.asarray(np.asarray(array[:end])[row])
    return np.asarray(array.oindex[row])


def _check_index(index: pd.DataFrame, root: Path) -> None:
    """Refuse an index whose columns are not of their types.

    Raises:
        InputError: it has no row, or a column is of another type or has impossible values.
    """
    row = index["row"]
    whole = row.dtype.kind in "iu" and len(row) > 0 and int(row.min()) >= 0
    wrong = {
        "row": not whole,
        "sample_id": not index["sample_id"].map(lambda name: isinstance(name, str | int | np.integer)).all(),
        "lon": index["lon"].dtype.kind not in "iuf",
        "lat": index["lat"].dtype.kind not in "iuf",
        "first_month": index["first_month"].dtype.kind != "M" or bool(index["first_month"].isna().any()),
    }
    if not len(index):
        raise InputError(f"'{root}': index.parquet names no place; convert the data again.")
    bad = [name for name, is_wrong in wrong.items() if is_wrong]
    if bad:
        raise InputError(
            f"'{root}': the column {bad[0]} of index.parquet is of type {index[bad[0]].dtype}, or has values that "
            "cannot be; convert the data again."
        )


def _check_attributes(attributes: Mapping[str, Any], root: Path) -> None:
    """Refuse a store of other bands, or whose steps or patches have no size.

    Raises:
        InputError: it is one.
    """
    sizes = {"steps": 10_000, "patch_size": 1_000}
    for name, most in sizes.items():
        value = attributes.get(name)
        if type(value) is not int or not 1 <= value <= most:
            raise InputError(
                f"'{root}' has the {name} {show_value(value)}, expected 1..{most:,}; convert the data again."
            )
    if attributes.get("bands") != list(BAND_NAMES):
        raise InputError(
            f"'{root}' has the bands {show_value(attributes.get('bands'))}, expected {', '.join(BAND_NAMES)}; convert "
            "the data again."
        )


def stored_reflectance(
    dn: NDArray[np.uint16], valid: NDArray[np.bool_], bands: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Reflectance float32, 0 where missing, of stored DN (N, T, C) or (N, T, C, Y, X).

    Args:
        dn: as stored.
        valid: (N, T).
        bands: (N, T, C) as `PixelSeries.band_valid`.
    """
    reflectance = dn.astype(np.float32)
    reflectance /= np.float32(QUANTIFICATION)
    reflectance[~valid] = 0.0
    if bands is not None:
        reflectance[~bands] = 0.0
    return reflectance


def bits_of_bands(seen: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """(N, T) with bit c set where band c of `seen` (N, T, C) is there."""
    weights = 1 << np.arange(len(BAND_NAMES), dtype=np.uint16)
    return np.asarray((seen * weights).sum(axis=2), dtype=np.uint16)


def seen_bands(bits: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """(N, T, C) which bands are there; the inverse of `bits_of_bands`."""
    return np.asarray((bits[..., None] >> np.arange(len(BAND_NAMES), dtype=np.uint16)) & 1, dtype=np.bool_)
