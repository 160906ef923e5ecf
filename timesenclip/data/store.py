"""The training store: pixel years of many places in Zarr v3, and a GeoParquet index of the places.

    FOLDER/zarr.json          what it holds: months, bands, patch size, how it was composited
    FOLDER/dn                 (N, T, C) or (N, T, C, Y, X) uint16, DN (reflectance x 10000), 65535 = missing; sharded
    FOLDER/observations       (N, T) uint8, clear observations behind each month, 0 = missing
    FOLDER/index.parquet      one row a place: `row` in the arrays, `sample_id`, `lon`, `lat`, `first_month`, labels

The T steps of a place are consecutive calendar months from its `first_month`. All training data become such a store;
`timesenclip.data.store_writer` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.radiometry import QUANTIFICATION
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.extras import require
from timesenclip.messages import shorten_error
from timesenclip.series import PixelSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMAT_VERSION", "SeriesStore", "import_zarr", "stored_reflectance"]

FORMAT_VERSION = 1
"""Version of the layout; a store of another version is refused."""


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
            InputError: it was written by another version.
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
            attributes = dict(zarr.open_group(str(root), mode="r").attrs)
            index = pd.read_parquet(root / "index.parquet")
        # What zarr and pyarrow raise of files that are cut short or hold something else.
        except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
            raise DataNotFoundError(
                f"Cannot read the training store '{root}' ({shorten_error(error)}); convert the data again."
            ) from error
        if attributes.get("format_version") != FORMAT_VERSION:
            raise InputError(
                f"'{root}' has format_version {attributes.get('format_version')!r}; this version reads "
                f"{FORMAT_VERSION}. Convert the data again."
            )
        lacking = {"row", "sample_id", "lon", "lat", "first_month"} - set(index.columns)
        if lacking:
            raise InputError(
                f"'{root}': index.parquet has no column {', '.join(sorted(lacking))}; convert the data again."
            )
        return cls(root, index, attributes)

    def __len__(self) -> int:
        """Number of places, N."""
        return len(self.index)

    @property
    def patch_size(self) -> int:
        """Side of the patches in pixels; 1 is a single pixel."""
        return int(self.attributes["patch_size"])

    def arrays(self, rows: NDArray[np.integer] | slice | None = None) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """DN (n, T, C[, Y, X]) and observations (n, T) of places, by position in `index`; default: all, in memory."""
        group = import_zarr().open_group(str(self.folder), mode="r")
        row = self.index["row"].to_numpy()[slice(None) if rows is None else rows]
        if len(row) and np.array_equal(row, np.arange(row[0], row[0] + len(row))):
            span = slice(int(row[0]), int(row[-1]) + 1)
            return np.asarray(group["dn"][span]), np.asarray(group["observations"][span])
        if rows is None:  # a few failed rows are left out: reading all and choosing in memory is faster
            return np.asarray(group["dn"][:])[row], np.asarray(group["observations"][:])[row]
        return np.asarray(group["dn"].oindex[row]), np.asarray(group["observations"].oindex[row])

    def first_month(self) -> NDArray[np.datetime64]:
        """(N,) datetime64[M], month of the first step of each place."""
        return self.index["first_month"].to_numpy().astype("datetime64[M]")

    def series(self, rows: NDArray[np.integer] | slice | None = None) -> PixelSeries:
        """Places as `PixelSeries`, by position in `index`; default: all."""
        dn, observations = self.arrays(rows)
        chosen = self.index.iloc[np.arange(len(self))[slice(None) if rows is None else rows]]
        months = chosen["first_month"].to_numpy().astype("datetime64[M]")[:, None] + np.arange(dn.shape[1] + 1)
        days = months.astype("datetime64[D]")  # (n, T + 1)
        valid = observations > 0
        return PixelSeries(
            reflectance=stored_reflectance(dn, valid),
            valid=valid,
            start=days[:, :-1].copy(),
            end=days[:, 1:].copy(),
            sample_id=tuple(chosen["sample_id"].astype(str)),
            lon_deg=chosen["lon"].to_numpy(dtype=np.float64),
            lat_deg=chosen["lat"].to_numpy(dtype=np.float64),
            provenance={"source": str(self.folder), **{k: v for k, v in self.attributes.items() if k != "bands"}},
        )


def stored_reflectance(dn: NDArray[np.uint16], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Reflectance float32, 0 where missing, of stored DN (N, T, C) or (N, T, C, Y, X); `valid` is (N, T)."""
    reflectance = dn.astype(np.float32)
    reflectance /= np.float32(QUANTIFICATION)
    reflectance[~valid] = 0.0
    return reflectance
