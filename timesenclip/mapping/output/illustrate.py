"""The picture and the page of a map, made of its result."""

from __future__ import annotations

from timesenclip.mapping.output.page import write_page
from timesenclip.mapping.output.picture import write_picture
from timesenclip.mapping.output.result import MapResult

__all__ = ["illustrated"]


def illustrated(result: MapResult) -> MapResult:
    """Add the picture and the page."""
    result.files["picture"] = write_picture(result, result.folder / "map.png")
    result.files["page"] = write_page(result, result.folder / "map.html")
    return result
