"""Write training stores (`timesenclip.data.store`) part by part, so that a stopped run can be continued."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.data.store import (
    BAND_MASKS,
    FORMAT_VERSION,
    FORMAT_VERSION_BANDS,
    SeriesStore,
    bits_of_bands,
    import_zarr,
)
from timesenclip.eo.outliers import OUTLYING_STEPS
from timesenclip.eo.radiometry import MISSING_DN, QUANTIFICATION
from timesenclip.errors import InputError
from timesenclip.files import atomic_path, json_text, plain, write_json
from timesenclip.messages import show_value
from timesenclip.owned import remove_known
from timesenclip.read_files import read_json
from timesenclip.series import PixelSeries, concatenate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StoreWriter", "check_store_folder", "store_points", "write_index"]

_CHUNK, _SHARD = 512, 8192
_STORE_FILE = re.compile(
    r"index\.parquet|plan\.json|parts/\.?part-.*|((dn|observations|bands)/)?"
    r"(zarr\.json|zarr\.[0-9a-f]{32}\.partial|c(/\d+)*(\.[0-9a-f]{32}\.partial)?)|\..+\.timesenclip-part"
)
"""Files of a training store, relative to it."""
_GEOMETRY: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Point"]}


class StoreWriter:
    """Write a store part by part under `FOLDER.partial`; a continued run skips the parts that are done.

    Args:
        folder: final name, given by `finish`.
        count: N, number of places that are tried.
        steps: T, months.
        patch_size: side of the patches.
        plan: what identifies the data; a `.partial` folder of another plan is refused.
        attributes: facts about the data, which are written into the store.
        band_masks: some months lack a band, and `write` is told which.
        overwrite: remove a training store of ours, and a `.partial` of another plan.

    Raises:
        InputError: the folder exists already, or its `.partial` was begun with another plan or other attributes.
        MissingExtraError: zarr is not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        count: int,
        steps: int = 12,
        patch_size: int = 1,
        plan: Mapping[str, Any],
        attributes: Mapping[str, Any],
        band_masks: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.folder = Path(folder) if Path(folder).name else Path(folder).resolve()  # of `.`
        check_store_folder(self.folder, overwrite=overwrite)
        self._overwrite = overwrite
        self.scratch = self.folder.with_name(self.folder.name + ".partial")
        if self.scratch.is_symlink():
            raise InputError(f"'{self.scratch}' is a link, and a folder is to be made there; remove it.")
        self._parts = self.scratch / "parts"
        self._attributes = dict(attributes) | {
            "format_version": FORMAT_VERSION_BANDS if band_masks else FORMAT_VERSION,
            "bands": list(BAND_NAMES),
            "steps": steps,
            "patch_size": patch_size,
        }
        self._attributes |= {BAND_MASKS: True} if band_masks else {}
        described = plain({"plan": plan, "count": count} | self._attributes)
        self._remove_unplanned()
        if self.scratch.is_dir() and not self._is_dropped(described):
            self._check_plan(described)
            self._group = import_zarr().open_group(str(self.scratch), mode="r+")
            return
        self._parts.mkdir(parents=True)
        self._group = import_zarr().open_group(str(self.scratch), mode="a")
        tail = (len(BAND_NAMES),) + ((patch_size, patch_size) if patch_size > 1 else ())
        per = max(1, _CHUNK // patch_size**2)
        self._create("dn", (count, steps, *tail), per, "uint16", MISSING_DN)
        self._create("observations", (count, steps), _CHUNK, "uint8", 0)
        if band_masks:
            self._create("bands", (count, steps), _CHUNK, "uint16", 0)
        write_json(self.scratch / "plan.json", described)

    def _create(self, name: str, shape: tuple[int, ...], chunk: int, dtype: str, fill: int) -> None:
        self._group.create_array(
            name,
            shape=shape,
            chunks=(chunk, *shape[1:]),
            shards=(self.part_size(shape[-1] if len(shape) == 5 else 1), *shape[1:]),
            dtype=dtype,
            fill_value=fill,
        )

    def _remove_unplanned(self) -> None:
        """Remove what a process left that was killed before it wrote its plan, or after it removed it at the end."""
        if not (self.scratch / "plan.json").is_file() and not any(self._parts.glob("part-*")):
            remove_known(self.scratch, _is_store_file)

    def _check_plan(self, described: Mapping[str, Any]) -> None:
        file = self.scratch / "plan.json"
        if not file.is_file():
            raise InputError(f"'{self.scratch}' was begun but holds no plan; remove it and start again.")
        before = read_json(file, what="plan", fix="remove its folder to start again")
        differ = sorted(key for key in {*before, *described} if before.get(key) != described.get(key))
        if differ:
            raise InputError(
                f"'{self.scratch}' was begun with other input or options ({', '.join(differ)}); remove it, or give the "
                "same ones to go on."
            )

    def _is_dropped(self, described: Mapping[str, Any]) -> bool:
        """With `overwrite`, remove what was begun with another plan; whether that was done."""
        file = self.scratch / "plan.json"
        if not self._overwrite or not file.is_file():
            return False
        if json.loads(file.read_text(encoding="utf-8")) == described:
            return False
        remove_known(self.scratch, _is_store_file)
        if self.scratch.exists():
            raise InputError(f"'{self.scratch}' holds files that timesenclip did not write; move them.")
        return True

    @staticmethod
    def part_size(patch_size: int = 1) -> int:
        """Number of places in a part, which is that of a shard of `dn`, so that two parts never write the same file."""
        per = max(1, _CHUNK // patch_size**2)
        return per * max(1, _SHARD // _CHUNK)

    def done(self, part: int) -> bool:
        """Whether a part was written, now or in an earlier run."""
        return self._part_file(part).is_file()

    def write(
        self,
        part: int,
        first: int,
        dn: NDArray[np.uint16],
        observations: NDArray[np.uint8],
        rows: pd.DataFrame,
        *,
        bands: NDArray[np.uint16] | None = None,
    ) -> None:
        """Write a part: the places from `first` on.

        Args:
            part: number of the part.
            first: position of its first place in the arrays.
            dn, observations: as in the store.
            rows: index rows with `row` already set; places that failed are left out of it.
            bands: as in the store, with `band_masks`.
        """
        if bands is not None:
            self._group["bands"][first : first + len(dn)] = bands
        self._group["dn"][first : first + len(dn)] = dn
        self._group["observations"][first : first + len(dn)] = observations
        target = self._part_file(part)
        with atomic_path(target) as scratch:
            rows.to_parquet(scratch)

    def finish(self) -> SeriesStore:
        """Write the index and give the store its final name.

        Raises:
            InputError: no place was read, or two places have the same id.
        """
        import pandas as pd

        tables = [pd.read_parquet(file) for file in sorted(self._parts.glob("part-*.parquet"))]
        index = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        if index.empty:
            raise InputError(f"Nothing could be read into '{self.folder}'; see the messages above.")
        double = index["sample_id"][index["sample_id"].duplicated()]
        if len(double):
            raise InputError(
                f"{len(double)} places are given twice, such as '{double.iloc[0]}'; give each file once, or remove "
                f"'{self.scratch}' and leave one of them out."
            )
        self._group.attrs.update(plain(self._attributes))
        write_index(index, self.scratch / "index.parquet")
        remove_known(self._parts, lambda name: name.startswith(("part-", ".part-")))
        (self.scratch / "plan.json").unlink()
        check_store_folder(self.folder, overwrite=self._overwrite)
        if self.folder.is_dir():
            if any(self.folder.iterdir()):
                remove_known(self.folder, _is_store_file)
            else:
                self.folder.rmdir()
        self.scratch.rename(self.folder)
        return SeriesStore.open(self.folder)

    def discard_nothing(self) -> None:
        """Remove what was begun if no place was read, so that there is nothing to continue from."""
        import pyarrow.parquet as pq

        if not any(pq.read_metadata(file).num_rows for file in self._parts.glob("part-*.parquet")):
            remove_known(self.scratch, _is_store_file)

    def _part_file(self, part: int) -> Path:
        return self._parts / f"part-{part:06d}.parquet"


def check_store_folder(folder: str | Path, *, overwrite: bool = False) -> None:
    """Check, before any work, that a training store can be written.

    Args:
        folder: the store.
        overwrite: a training store of ours may be replaced.

    Raises:
        InputError: the folder is not empty, or with `overwrite` holds what no training store has.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise InputError(f"'{root}' is a file, and a training store is a folder; give another output.")
    if root.is_symlink():
        raise InputError(f"'{root}' is a link; give the folder that it leads to.")
    if not root.is_dir() or not any(root.iterdir()):
        return
    if not overwrite:
        raise InputError(f"'{root}' exists already; give another folder, or --overwrite if it is a training store.")
    SeriesStore.open(root.resolve())
    files = (Path(parent, name).relative_to(root).as_posix() for parent, _, names in os.walk(root) for name in names)
    foreign = sorted(name for name in files if not _is_store_file(name))
    if foreign:
        raise InputError(f"'{root}' holds '{foreign[0]}', which timesenclip did not write; move it.")


def _is_store_file(name: str) -> bool:
    return _STORE_FILE.fullmatch(name) is not None


def write_index(index: pd.DataFrame, path: Path) -> None:
    """Write a table with `lon` and `lat` as GeoParquet 1.1 (points, EPSG:4326); a geometry column is added.

    Source: https://geoparquet.org/releases/v1.1.0/
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    lon, lat = index["lon"].to_numpy(dtype="<f8"), index["lat"].to_numpy(dtype="<f8")
    known = np.isfinite(lon) & np.isfinite(lat)
    wkb = [b"\x01\x01\x00\x00\x00" + x.tobytes() + y.tobytes() if ok else None for x, y, ok in zip(lon, lat, known)]  # noqa: B905
    table = pa.Table.from_pandas(index, preserve_index=False).append_column("geometry", pa.array(wkb, type=pa.binary()))
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": _GEOMETRY}}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"geo": json_text(geo).encode()})
    with atomic_path(path) as scratch:
        pq.write_table(table, scratch)


def store_points(
    series: Iterable[PixelSeries],
    folder: str | Path,
    *,
    source: str,
    labels: pd.DataFrame | None = None,
    overwrite: bool = False,
) -> SeriesStore:
    """Write monthly series of any origin as a store; places start at their own first month.

    Args:
        series: pieces of monthly `PixelSeries` of one shape (T, C) or (T, C, Y, X); they are joined in memory.
        folder: final name.
        source: where they came from; written into the store and into messages.
        labels: columns to add to the index, in the order of the places.
        overwrite: as for `StoreWriter`.

    Raises:
        InputError: steps are not consecutive calendar months, pieces differ in length, or ids repeat.
    """
    import pandas as pd

    pieces = list(series)
    if len({piece.reflectance.shape[1:] for piece in pieces}) != 1:
        shapes = sorted({str(piece.reflectance.shape[1:]) for piece in pieces})
        raise InputError(f"Series differ in shape: {', '.join(shapes)}; read them over one period, in months.")
    count = Counter(name for piece in pieces for name in piece.sample_id)
    if count and count.most_common(1)[0][1] > 1:
        raise InputError(
            f"{source}: {count.total() - len(count)} places are given twice, such as "
            f"{show_value(count.most_common(1)[0][0])}; name each place of a store."
        )
    steps, patch = pieces[0].steps, 1 if pieces[0].reflectance.ndim == 3 else pieces[0].reflectance.shape[-1]
    total = sum(map(len, pieces))
    outliers = pieces[0].provenance.get(OUTLYING_STEPS, "kept")
    joined = concatenate(pieces, provenance=pieces[0].provenance)
    bands = _described_bands(joined)
    writer = StoreWriter(
        folder,
        count=total,
        steps=steps,
        patch_size=patch,
        plan={"source": source, "places": total},
        attributes={"source": source, "compositing": "as given", "outliers": outliers} | bands,
        band_masks=bool(bands),
        overwrite=overwrite,
    )
    size = writer.part_size(patch)
    months = joined.start.astype("datetime64[M]")
    if (np.diff(months.astype(np.int64), axis=1) != 1).any():
        raise InputError(f"{source}: steps are not consecutive calendar months; composite to months over one period.")
    for part, first in enumerate(range(0, total, size)):
        if writer.done(part):
            continue
        piece = joined.take(slice(first, first + size))
        rows = _index_rows(piece, first)
        if labels is not None:
            rows = pd.concat([rows, labels.iloc[first : first + size].reset_index(drop=True)], axis=1)
        bits = bits_of_bands(piece.bands_seen()) if bands else None
        writer.write(part, first, _stored_dn(piece), piece.valid.astype(np.uint8), rows, bands=bits)
    return writer.finish()


def _described_bands(series: PixelSeries) -> dict[str, Any]:
    """Attributes of a store where some month lacks a band; empty where none does.

    `bands_seen` are those that any month has, and `read_as` tells the sensor and the columns of the table.
    """
    seen = series.bands_seen()
    if series.band_valid is None or bool((np.all(seen, axis=2) == series.valid).all()):
        return {}
    some = np.any(seen, axis=(0, 1))
    read_as = {key: series.provenance[key] for key in ("sensor", "bands") if key in series.provenance}
    names = [name for name, here in zip(BAND_NAMES, some, strict=True) if here]
    return {"bands_seen": names} | ({"read_as": read_as} if read_as else {})


def _stored_dn(series: PixelSeries) -> NDArray[np.uint16]:
    """DN (n, T, C[, Y, X]) of a series; the inverse of `stored_reflectance`."""
    seen = series.valid[..., None] if series.band_valid is None else series.bands_seen()
    valid = seen.reshape(*seen.shape, *(1,) * (series.reflectance.ndim - 3))
    rounded = np.rint(series.reflectance * QUANTIFICATION)
    return np.where(valid, rounded, MISSING_DN).clip(0, MISSING_DN).astype(np.uint16)


def _index_rows(series: PixelSeries, first: int) -> pd.DataFrame:
    """The index of some places, of which the first is row `first` of the arrays."""
    import pandas as pd

    return pd.DataFrame(
        {
            "row": np.arange(first, first + len(series)),
            "sample_id": series.sample_id,
            "lon": series.lon_deg,
            "lat": series.lat_deg,
            "first_month": series.start[:, 0].astype("datetime64[M]").astype("datetime64[s]"),
        }
    )
