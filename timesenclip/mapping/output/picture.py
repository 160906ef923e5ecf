"""The picture of a map: true colour, classes and confidence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.files import atomic_path
from timesenclip.mapping.output.layers import CLASS_NODATA, class_colours

if TYPE_CHECKING:
    from timesenclip.mapping.output.result import MapResult, Preview

__all__ = ["class_picture", "confidence_picture", "png_bytes", "share_text", "true_colour_picture", "write_picture"]

Picture = NDArray[np.uint8]


def true_colour_picture(preview: Preview) -> Picture:
    """(y, x, 3) bytes: median true colour, stretched between the 2nd and 98th percentile of all three bands."""
    colour = preview.true_colour
    seen = colour.sum(axis=2) > 0
    low, high = (np.percentile(colour[seen], q) for q in (2, 98)) if seen.any() else (0.0, 1.0)
    stretched = np.clip((colour - low) / max(high - low, 1e-6), 0, 1) ** 0.75
    stretched[~seen] = 1.0
    return np.asarray(np.round(stretched * 255), dtype=np.uint8)


def class_picture(result: MapResult) -> Picture:
    """(y, x, 3) bytes in the classes' colours, white where there is no data."""
    table = np.full((256, 3), 255, dtype=np.uint8)
    for value, rgb in class_colours(result.taxonomy).items():
        table[value] = rgb
    return table[result.preview.classes]


def confidence_picture(preview: Preview) -> Picture:
    """(y, x, 3) bytes, dark blue (0 %) to yellow (100 %), white where there is no data, or the pixel is unknown."""
    import matplotlib

    scaled = np.where(preview.confidence == CLASS_NODATA, 0, preview.confidence).astype(np.float64) / 100
    colours = matplotlib.colormaps["cividis"](scaled)[..., :3]
    colours[preview.confidence == CLASS_NODATA] = 1.0
    return np.asarray(np.round(colours * 255), dtype=np.uint8)


def png_bytes(picture: Picture, *, least_px: int = 0) -> bytes:
    """PNG of a picture, enlarged by whole pixels until its longer side has `least_px`."""
    import matplotlib.image

    times = max(1, -(-least_px // max(picture.shape[:2])))
    large = np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
    stream = io.BytesIO()
    matplotlib.image.imsave(stream, large, format="png")
    return stream.getvalue()


def write_picture(result: MapResult, path: Path) -> Path:
    """Write a PNG with three panels and a legend.

    Args:
        result: the map.
        path: the file.

    Returns:
        The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = [area for area in result.areas if area.pixels]
    rows = -(-len(shown) // 4)
    height, width = result.preview.classes.shape
    panel = min(max(height / width, 0.35), 2.0) * 4.6
    figure = Figure(figsize=(15, panel + 1.0 + 0.3 * rows), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    panels = (
        ("What the satellite saw (median true colour)", true_colour_picture(result.preview)),
        ("What your words found", class_picture(result)),
        ("Confidence", confidence_picture(result.preview)),
    )
    for axis, (title, picture) in zip(axes, panels, strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title, fontsize=12, loc="left")
        axis.set_xticks([])
        axis.set_yticks([])
    bottom = (0.42 + 0.27 * rows) / figure.get_figheight()
    top = 1 - 0.4 / figure.get_figheight()
    figure.subplots_adjust(left=0.01, right=0.945, top=top, bottom=bottom, wspace=0.03)
    _colour_bar(figure, axes[2])
    patches = [Patch(facecolor=area.colour, label=f"{area.name}  {share_text(area.share)}") for area in shown]
    figure.legend(handles=patches, loc="lower center", ncols=min(4, len(patches)), fontsize=11, frameon=False)
    with atomic_path(path) as part:
        figure.savefig(part, dpi=110, format="png")
    return path


def share_text(share: float) -> str:
    """A share above 0 in whole percent; "<1%" where that would read 0%."""
    text = f"{share:.0%}"
    return "<1%" if text == "0%" else text


def _colour_bar(figure: object, axis: object) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = ScalarMappable(Normalize(0, 100), cmap="cividis")
    box = axis.get_position()  # type: ignore[attr-defined]
    place = figure.add_axes((0.952, box.y0, 0.010, box.height))  # type: ignore[attr-defined]
    figure.colorbar(bar, cax=place, format="%d %%")  # type: ignore[attr-defined]
