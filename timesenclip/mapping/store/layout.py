"""Arrays, coordinates and georeferencing of an embedding store, as Zarr v3 metadata."""

from __future__ import annotations

from typing import Any

import numpy as np
from affine import Affine

from timesenclip.mapping.store.info import StoreInfo
from timesenclip.mapping.store.quantise import Projection

__all__ = ["write_layout"]

_DOCS = {
    "vectors": "Embedding of each pixel; multiply by scale.",
    "scale": "What a vector is multiplied by; 0 = never seen clearly.",
    "clear": "Clear observations of the period.",
    "colour": "Median of B04, B03, B02 as sqrt(reflectance) x 255; 0 = never seen clearly.",
}


def write_layout(group: Any, info: StoreInfo, projection: Projection | None) -> None:
    """Create every array of a store, empty, with its coordinates.

    Args:
        group: an empty Zarr group.
        info: what the store is.
        projection: what the vectors of words are projected with; None where all dimensions are kept.
    """
    for level, shape in enumerate(info.level_shapes):
        home = group if level == 0 else group.create_group(f"level{level}")
        _write_level(home, info, shape, info.level_transform(level))
    if projection is not None:
        basis = group.create_array(
            "basis",
            shape=projection.basis.shape,
            dtype="float32",
            chunks=projection.basis.shape,
            compressors=None,
            dimension_names=("full", "d"),
            attributes={"description": "Words are multiplied by this, as the pixels were."},
        )
        basis[:] = projection.basis


def _write_level(home: Any, info: StoreInfo, shape: tuple[int, int], transform: Affine) -> None:
    from zarr.codecs import ZstdCodec

    crs = _crs_attributes(info.crs)
    zstd = ZstdCodec(level=3, checksum=True)
    side, chunk = info.block, info.chunk
    layouts: dict[str, dict[str, Any]] = {
        "vectors": {
            "shape": (*shape, info.dims),
            "dtype": "int8",
            "chunks": (chunk, chunk, info.dims),
            **({"shards": (side, side, info.dims)} if side > chunk else {}),
            "compressors": None,
            "dimension_names": ("y", "x", "d"),
        },
        "colour": {
            "shape": (*shape, 3),
            "dtype": "uint8",
            "chunks": (side, side, 3),
            "compressors": zstd,
            "dimension_names": ("y", "x", "rgb"),
        },
        "clear": {"shape": shape, "dtype": "uint16", "chunks": (side, side), "compressors": zstd},
        "scale": {"shape": shape, "dtype": "float32", "chunks": (side, side), "compressors": zstd},
    }
    for name, layout in layouts.items():
        attributes = {"grid_mapping": "spatial_ref", "description": _DOCS[name], "_CRS": {"wkt": crs["crs_wkt"]}}
        home.create_array(name, fill_value=0, attributes=attributes, **{"dimension_names": ("y", "x"), **layout})
    _write_coordinates(home, shape, transform, crs)


def _write_coordinates(home: Any, shape: tuple[int, int], transform: Affine, crs: dict[str, Any]) -> None:
    grid = {"GeoTransform": " ".join(map(repr, transform.to_gdal()))}
    scalar = home.create_array(
        "spatial_ref", shape=(), dtype="int32", compressors=None, dimension_names=(), attributes={**crs, **grid}
    )
    scalar[()] = 1  # not the fill value, so that it is written and needs no guessing
    if transform.b or transform.d:  # a rotated grid has no one-dimensional coordinates; the GeoTransform says it all
        return
    for name, first, step, count in (
        ("y", transform.f, transform.e, shape[0]),
        ("x", transform.c, transform.a, shape[1]),
    ):
        axis = home.create_array(
            name,
            shape=(count,),
            dtype="float64",
            chunks=(count,),
            compressors=None,
            dimension_names=(name,),
            attributes={"axis": name.upper(), "standard_name": f"projection_{name}_coordinate"},
        )
        axis[:] = first + step * (np.arange(count) + 0.5)


def _crs_attributes(crs: str) -> dict[str, Any]:
    from pyproj import CRS

    reference = CRS.from_user_input(crs)
    wkt = reference.to_wkt()
    return {**reference.to_cf(), "crs_wkt": wkt, "spatial_ref": wkt}
