"""TimeSenCLIP: ask a satellite archive a question in plain words.

    import timesenclip as ts

    model = ts.load()                                    # the shipped checkpoint, offline
    series = ts.read_points("points.parquet")            # a year of Sentinel-2 for each point
    result = ts.classify(series, ["maize", "grassland", "forest"], model=model)
    print(result.label, result.confidence)

Nothing heavy is imported until it is used: `import timesenclip` loads neither torch nor rasterio.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from timesenclip._version import __version__

if TYPE_CHECKING:
    from timesenclip.eo.cube.open import open_cube, read_cube
    from timesenclip.eo.points.read import read_points
    from timesenclip.eo.stac.open import open_stac
    from timesenclip.ground.taxonomy import load_taxonomy
    from timesenclip.mapping.ask_store import ask_store
    from timesenclip.mapping.embed_area import embed_area
    from timesenclip.mapping.map_area import map_cube
    from timesenclip.model.checkpoint import load
    from timesenclip.model.embed import embed
    from timesenclip.series import Cube, PixelSeries
    from timesenclip.tasks.classify import classify

__all__ = [
    "Cube",
    "PixelSeries",
    "__version__",
    "ask_store",
    "classify",
    "embed",
    "embed_area",
    "load",
    "load_taxonomy",
    "map_cube",
    "open_cube",
    "open_stac",
    "read_cube",
    "read_points",
]

_HOMES = {
    "Cube": "timesenclip.series",
    "PixelSeries": "timesenclip.series",
    "ask_store": "timesenclip.mapping.ask_store",
    "classify": "timesenclip.tasks.classify",
    "embed": "timesenclip.model.embed",
    "embed_area": "timesenclip.mapping.embed_area",
    "load": "timesenclip.model.checkpoint",
    "load_taxonomy": "timesenclip.ground.taxonomy",
    "map_cube": "timesenclip.mapping.map_area",
    "open_cube": "timesenclip.eo.cube.open",
    "open_stac": "timesenclip.eo.stac.open",
    "read_cube": "timesenclip.eo.cube.open",
    "read_points": "timesenclip.eo.points.read",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'timesenclip' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Public names, for tab completion."""
    return sorted(__all__)
