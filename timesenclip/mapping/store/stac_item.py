"""A STAC item for an embedding store, so that catalogues find it."""

from __future__ import annotations

from typing import Any

import numpy as np
from affine import Affine

from timesenclip.errors import GridError
from timesenclip.grid import pixel_xy, six_numbers
from timesenclip.mapping.store.store import EmbeddingStore

__all__ = ["stac_item"]

_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"


def stac_item(store: EmbeddingStore, *, start: str, end: str) -> dict[str, Any]:
    """Describe a store as a STAC item, in the types of JSON.

    Args:
        store: a finished store.
        start: first day, such as `2018-01-01`.
        end: last day.

    Returns:
        The item.

    Raises:
        GridError: the CRS cannot be understood.
    """
    info = store.info
    outline = _outline(info.crs, info.transform, info.shape)
    west, south = (min(place[i] for place in outline) for i in range(2))
    east, north = (max(place[i] for place in outline) for i in range(2))
    code = _code(info.crs)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_PROJECTION],
        "id": store.path.name.removesuffix(".zarr"),
        "geometry": {"type": "Polygon", "coordinates": [outline]},
        "bbox": [west, south, east, north],
        "properties": {
            "datetime": None,
            "start_datetime": f"{start}T00:00:00Z",
            "end_datetime": f"{end}T23:59:59Z",
            "title": f"Embeddings of {info.shape[1]} x {info.shape[0]} pixels by {info.checkpoint}",
            "proj:code": code,
            **({} if code else {"proj:wkt2": info.crs}),
            "proj:shape": list(info.shape),
            "proj:transform": list(six_numbers(info.transform)),
            "timesenclip:checkpoint": info.checkpoint,
            "timesenclip:digest": info.digest,
            "timesenclip:tower": info.tower,
            "timesenclip:dimensions": info.dims,
            "timesenclip:every": info.every,
        },
        "links": [],
        "assets": {
            "embeddings": {
                "href": f"./{store.path.name}",
                "type": "application/vnd.zarr; version=3",
                "title": "Embedding of every pixel",
                "roles": ["data"],
            }
        },
    }


def _outline(crs: str, transform: Affine, shape: tuple[int, int]) -> list[list[float]]:
    """The area's edge in degrees, closed, counter-clockwise seen from above (north up); five points a side."""
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    try:
        to_degrees = Transformer.from_crs(CRS.from_user_input(crs), 4326, always_xy=True)
    except CRSError as error:
        raise GridError(f"Cannot understand the CRS '{crs}'; expected one such as EPSG:32631.") from error
    rows, columns = shape
    share = np.linspace(0, 1, 5)[:-1]
    column = np.concatenate([0 * share, columns * share, columns + 0 * share, columns * (1 - share)])
    row = np.concatenate([rows * share, rows + 0 * share, rows * (1 - share), 0 * share])
    lon, lat = to_degrees.transform(*pixel_xy(transform, column, row))
    points = [[round(float(x), 7), round(float(y), 7)] for x, y in zip(lon, lat, strict=True)]
    return [*points, points[0]]


def _code(crs: str) -> str | None:
    from pyproj import CRS

    authority = CRS.from_user_input(crs).to_authority()
    return ":".join(authority) if authority else None
