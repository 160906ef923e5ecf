"""The HTML page of a map: one file, without scripts and links."""

from __future__ import annotations

import base64
import math
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.band_presence import describe_bands
from timesenclip.files import json_text, write_text
from timesenclip.mapping.output.picture import class_picture, confidence_picture, png_bytes, true_colour_picture

if TYPE_CHECKING:
    from timesenclip.mapping.output.result import ClassArea, Example, MapResult

__all__ = ["write_page"]

_CAUTION = (
    "Each pixel was compared with words; nobody drew an example. Confidence is a softmax over the phrases of this very "
    "question: it says which of them fits best, not that one of them is right. Ask with the classes that are really "
    "there, and look at the grey (unknown) pixels first."
)
_COMPACT = (
    " This checkpoint speaks through a compact text tower, and was trained on field notes; the paper's ground "
    "view is photographs "
    "through CLIP."
)
_NO_SERIES = (
    "<p>This answer comes from a store of embeddings, which keeps no time series. `timesenclip map` reads them, and "
    "shows which months spoke.</p>"
)
_HEAD = (
    "Each pixel was compared with what a head learned from labelled points, not with words. It knows its own classes "
    "only, and calls nothing unknown: where none of them is there, the answer is wrong. Look at the confidence first."
)
_WIDTH, _HEIGHT, _LEFT, _TOP = 300, 132, 28, 8


def write_page(result: MapResult, path: Path, *, title: str | None = None, extra: str = "") -> Path:
    """Write the page.

    Args:
        result: the map.
        path: the HTML file.
        title: heading; default: says what was asked.
        extra: HTML put after the cautions, such as a comparison with known truth; must be escaped already.

    Returns:
        The file.
    """
    text = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    names = [area.name for area in result.areas if area.name != "unknown"]
    checkpoint = result.provenance["checkpoint"]
    page = Template(text).substitute(
        title=escape(title or f"Where is {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}?"),
        lead=escape(_lead(result)),
        true_colour=_source(png_bytes(true_colour_picture(result.preview), least_px=512)),
        classes=_source(png_bytes(class_picture(result), least_px=512)),
        confidence=_source(png_bytes(confidence_picture(result.preview), least_px=512)),
        rows="\n".join(_row(area) for area in result.areas if area.pixels),
        nodata=_nodata(result) if result.nodata_pixels else "",
        pixels="\n".join(map(_pixel, result.examples)) or _NO_SERIES,
        caution=escape(_caution(str(checkpoint["tower"]))),
        extra=extra,
        prompts=escape(json_text(result.provenance["prompts"], indent=1)),
        provenance=escape(
            json_text({k: v for k, v in result.provenance.items() if k not in ("prompts", "areas")}, indent=1)
        ),
    )
    return write_text(path, page)


def _nodata(result: MapResult) -> str:
    beyond = " or lie outside the area" if result.clipped else ""
    return f"{result.nodata_pixels:,} pixels had no clear observation{beyond}."


def _caution(tower: str) -> str:
    if tower.startswith("head "):
        return _HEAD
    return _CAUTION + (_COMPACT if tower.startswith("compact") else "")


def _lead(result: MapResult) -> str:
    seen = sum(area.pixels for area in result.areas)
    hectares = sum(area.hectares for area in result.areas)
    source = result.provenance["input"]
    period = (source.get("composite") or {}).get("period") or source.get("year")
    when = f", {period}" if period else ""
    count = len(result.taxonomy)
    bands = source.get("bands") or BAND_NAMES
    lacking = "" if len(bands) == len(BAND_NAMES) else f" Bands {describe_bands(bands)}."
    return (
        f"{seen:,} pixels ({hectares:,.0f} ha{when}), asked with {count} phrase{'s' if count > 1 else ''}. "
        f"Checkpoint {result.provenance['checkpoint']['name']}.{lacking}"
    )


def _source(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _row(area: ClassArea) -> str:
    sure = f"{area.mean_confidence:.0%}" if math.isfinite(area.mean_confidence) else ""
    return (
        f'<tr><td><span class="swatch" style="background:{escape(area.colour)}"></span>{escape(area.name)}</td>'
        f'<td><span class="bar" style="width:{max(area.share * 90, 1):.0f}px"></span>{area.share:.1%}</td>'
        f"<td>{area.hectares:,.1f}</td><td>{area.pixels:,}</td><td>{sure}</td></tr>"
    )


def _pixel(example: Example) -> str:
    return (
        f'<div class="pixel"><h3><span class="swatch" '
        f'style="background:{escape(example.colour)}"></span>{escape(example.name)}</h3>'
        f"<small>{example.confidence:.0%} confident, {example.lat_deg:.4f}, "
        f"{example.lon_deg:.4f}</small>{_chart(example)}</div>"
    )


def _chart(example: Example) -> str:
    """NDVI as a line (0..1 over the upper two thirds), contributions as bars around the middle of the lower third."""
    count = max(len(example.dates), 1)
    pitch = (_WIDTH - _LEFT - 6) / count
    x = [_LEFT + pitch * (i + 0.5) for i in range(count)]
    ndvi_y = [None if v is None else _TOP + 62 * (1 - min(max(v, 0.0), 1.0)) for v in example.ndvi]
    strongest = max((abs(v) for v in example.contribution if v is not None), default=0.0) or 1.0
    zero = 98
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="NDVI and contribution by month">']
    for level in (0.0, 0.5, 1.0):
        y = _TOP + 62 * (1 - level)
        parts.append(f'<line class="line" x1="{_LEFT}" x2="{_WIDTH - 6}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis" x="{_LEFT - 4}" y="{y + 3:.1f}" text-anchor="end">{level:g}</text>')
    parts.append(f'<line class="line" x1="{_LEFT}" x2="{_WIDTH - 6}" y1="{zero}" y2="{zero}"/>')
    for i, value in enumerate(example.contribution):
        if value is not None:
            height = 18 * value / strongest
            top = zero - max(height, 0)
            kind = "for" if value >= 0 else "against"
            parts.append(
                f'<rect class="{kind}" x="{x[i] - pitch * 0.32:.1f}" y="{top:.1f}" width="{pitch * 0.64:.1f}" '
                f'height="{abs(height):.1f}"/>'
            )
    points = [(x[i], y) for i, y in enumerate(ndvi_y) if y is not None]
    if len(points) > 1:
        parts.append('<polyline class="ndvi" points="' + " ".join(f"{px:.1f},{py:.1f}" for px, py in points) + '"/>')
    parts += [f'<circle class="dot" cx="{px:.1f}" cy="{py:.1f}" r="2.4"/>' for px, py in points]
    every = max(1, count // 12)
    parts += [
        f'<text class="axis" x="{x[i]:.1f}" y="{_HEIGHT - 3}" text-anchor="middle">{_month(date)}</text>'
        for i, date in enumerate(example.dates)
        if i % every == 0
    ]
    return "".join(parts) + "</svg>"


def _month(date: str) -> str:
    return "JFMAMJJASOND"[int(date[5:7]) - 1]
