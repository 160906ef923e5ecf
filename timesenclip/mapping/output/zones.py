"""Count the classes of a map by polygon: parcels, communes, protected areas."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from timesenclip.errors import DegradedInputWarning, GridError, InputError
from timesenclip.files import atomic_path
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.layers import CLASS_NODATA, UNKNOWN_VALUE
from timesenclip.messages import shorten_error
from timesenclip.vector_files import read_vector

__all__ = ["check_zones", "read_zones", "write_zones"]

_SIDE = 1024
"""Side of the windows in which a large polygon is counted, in pixels."""


@dataclass(slots=True)
class _Tally:
    pixels: NDArray[np.int64]
    """(256,) by value of the class map."""
    confidence: float = 0.0
    """Sum over pixels that have a class, percent."""


def write_zones(zones: str | Path, folder: Path, taxonomy: Taxonomy, *, pixel_m: float) -> dict[str, Path]:
    """Count `classes.tif` and `confidence.tif` of a folder by polygon; a pixel belongs to where its centre lies.

    Args:
        zones: polygons as GeoPackage, GeoJSON, shapefile, FlatGeobuf or GeoParquet, with a CRS.
        folder: where the maps are, and where `zones.parquet` (GeoParquet) and `zones.csv` go.
        taxonomy: the classes of the map.
        pixel_m: side of a pixel in metres.

    Returns:
        The two files. Columns: those of the zones, then `pixels`, `hectares`, `nodata_share` (of all pixels), `label`
        (most frequent class), `mean_confidence` (of the pixels that have a class), `unknown_share` and `share: <class>`
        (of the pixels that were seen).

    Raises:
        DataNotFoundError: the file is not there, or cannot be read.
        GridError: it has no CRS.
        InputError: it holds no polygons.
    """
    frame = read_zones(zones)
    with rasterio.open(folder / "classes.tif") as classes, rasterio.open(folder / "confidence.tif") as confidence:
        shapes = frame.geometry.to_crs(classes.crs.to_wkt())
        rows = [_row(_count(shape, classes, confidence), taxonomy, pixel_m) for shape in shapes]
    double = [name for name in rows[0] if name in frame.columns]
    if double:
        frame = frame.rename(columns={name: f"zone: {name}" for name in double})
    for name in rows[0]:
        frame[name] = [row[name] for row in rows]
    outputs = {"zones": folder / "zones.parquet", "zones_csv": folder / "zones.csv"}
    for name, path in outputs.items():
        with atomic_path(path) as part:
            if name == "zones":
                frame.to_parquet(part)
            else:
                frame.drop(columns=frame.geometry.name).to_csv(part, index=False)
    return outputs


def check_zones(zones: str | Path, *, shape: tuple[int, int], crs: str, transform: Affine) -> None:
    """Check that zones can be used with an area, before time is spent on it.

    Args:
        zones: as `write_zones`.
        shape: (Y, X) of the area.
        crs: CRS of the area.
        transform: affine of the area.

    Raises:
        InputError: none of them touches the area; more errors as `write_zones`.
    """
    from shapely.geometry import box

    frame = read_zones(zones)
    corners = [transform @ (column, row) for row in (0, shape[0]) for column in (0, shape[1])]
    west, south = (min(corner[i] for corner in corners) for i in range(2))
    east, north = (max(corner[i] for corner in corners) for i in range(2))
    own = _on_crs(frame, crs, zones)
    there = own.intersects(box(west, south, east, north))
    if not there.any():
        bounds = ", ".join(f"{edge:.6g}" for edge in own.total_bounds)
        raise InputError(
            f"None of the {len(frame)} zones in '{zones}' touches the area: they lie in {bounds}, the area in "
            f"{west:.6g}, {south:.6g}, {east:.6g}, {north:.6g} ({crs[:20]}). Give zones of this area."
        )
    if not there.all():
        warnings.warn(
            f"{int((~there).sum())} of {len(frame)} zones in '{zones}' lie outside the area and have no pixels.",
            DegradedInputWarning,
            stacklevel=4,
        )


def read_zones(zones: str | Path) -> Any:
    """Read polygons as a GeoDataFrame; errors as `write_zones`."""
    path = Path(zones)
    frame = read_vector(path, what="zones")
    if not hasattr(frame, "geom_type") or frame.geometry.isna().any():
        raise InputError(f"'{path}' has features without a geometry; zones must be polygons, remove the others.")
    if frame.crs is None:
        raise GridError(f"'{path}' has no CRS; say where its polygons are, for example with ogr2ogr -a_srs EPSG:4326.")
    if len(frame) == 0 or not frame.geom_type.isin(["Polygon", "MultiPolygon"]).all():
        kinds = ", ".join(sorted(set(frame.geom_type.astype(str)))) or "nothing"
        raise InputError(f"'{path}' holds {kinds}; zones must be polygons.")
    if not np.isfinite(frame.total_bounds).all():
        raise InputError(f"'{path}' has coordinates that are no numbers; zones must be polygons.")
    broken = ~frame.geometry.is_valid
    if broken.any():
        warnings.warn(
            f"{int(broken.sum())} of {len(frame)} zones in '{path}' cross themselves; they were repaired.",
            DegradedInputWarning,
            stacklevel=4,
        )
        frame = frame.set_geometry(frame.geometry.make_valid())
    return frame


def _on_crs(frame: Any, crs: str, zones: str | Path) -> Any:
    """The zones in the CRS of an area.

    Raises:
        GridError: there is no way from their CRS to that of the area.
    """
    from pyproj.exceptions import CRSError, ProjError

    try:
        return frame.to_crs(crs)
    except (CRSError, ProjError, ValueError) as error:  # ValueError: shapely, of coordinates that become infinite
        raise GridError(
            f"The zones in '{zones}' cannot be brought to the area's CRS ({shorten_error(error)}); check their CRS."
        ) from error


def _count(shape: Any, classes: Any, confidence: Any) -> _Tally:
    from rasterio.features import geometry_mask

    tally = _Tally(np.zeros(256, dtype=np.int64))
    for window in _windows(shape, classes):
        transform = classes.transform @ Affine.translation(window.col_off, window.row_off)
        inside = geometry_mask([shape], (window.height, window.width), transform, invert=True)
        values = classes.read(1, window=window)[inside]
        tally.pixels += np.bincount(values, minlength=256)
        stated = (values != CLASS_NODATA) & (values != UNKNOWN_VALUE)
        tally.confidence += float(confidence.read(1, window=window)[inside][stated].sum())
    return tally


def _windows(shape: Any, raster: Any) -> Iterator[RasterWindow]:
    """Windows of bounded size over the part of the raster that a shape's box covers."""
    if shape.is_empty:
        return
    west, south, east, north = shape.bounds
    to = ~raster.transform
    places = ((west, north), (east, north), (east, south), (west, south))
    corners = [to @ place for place in places]
    left = max(0, int(np.floor(min(x for x, _ in corners))))
    right = min(raster.width, int(np.ceil(max(x for x, _ in corners))))
    top = max(0, int(np.floor(min(y for _, y in corners))))
    bottom = min(raster.height, int(np.ceil(max(y for _, y in corners))))
    for row in range(top, bottom, _SIDE):
        for column in range(left, right, _SIDE):
            yield RasterWindow(column, row, min(_SIDE, right - column), min(_SIDE, bottom - row))


def _row(tally: _Tally, taxonomy: Taxonomy, pixel_m: float) -> dict[str, Any]:
    total = int(tally.pixels.sum())
    nodata = int(tally.pixels[CLASS_NODATA])
    seen = total - nodata
    names = ["unknown", *taxonomy.names]
    counts = tally.pixels[: len(names)]

    def share(count: int, of: int) -> float:
        return count / of if of else float("nan")

    return {
        "pixels": total,
        "hectares": total * pixel_m**2 / 10_000,
        "nodata_share": share(nodata, total),
        "label": names[int(counts.argmax())] if seen else None,
        "mean_confidence": share(int(tally.confidence), seen - int(counts[UNKNOWN_VALUE])) / 100,
        "unknown_share": share(int(counts[UNKNOWN_VALUE]), seen),
        **{f"share: {name}": share(int(counts[k + 1]), seen) for k, name in enumerate(taxonomy.names)},
    }
