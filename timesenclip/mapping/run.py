"""Map an area: block by block, every pixel is embedded and asked, and the answers are written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.eo.composite import masked_median
from timesenclip.eo.cube import AreaSource, Window
from timesenclip.eo.grid import Transform, resolution_m
from timesenclip.eo.period import Every, Period
from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.ground.prompts import class_weights, prompts_for
from timesenclip.ground.taxonomy import Taxonomy, as_taxonomy
from timesenclip.mapping.write import (
    CLASS_NODATA,
    SCORE_NODATA,
    CogWriter,
    block_values,
    class_colours,
    write_class_sidecars,
)
from timesenclip.model.checkpoint import Model, load
from timesenclip.model.embed import embed
from timesenclip.series import Cube, PixelSeries
from timesenclip.tasks.classify import Answers, classify_embeddings
from timesenclip.tasks.explain import step_contribution

__all__ = ["ClassArea", "Example", "MapResult", "Preview", "map_cube"]

_PREVIEW_PX = 1024
_MAX_CLASSES = 254


@dataclass(frozen=True, slots=True)
class ClassArea:
    """How much of an area one answer covers."""

    name: str
    """Class, or "unknown"."""
    value: int
    """Value in the class map."""
    colour: str
    """#rrggbb"""
    pixels: int
    """Number of pixels."""
    hectares: float
    """Area in hectares."""
    share: float
    """Share of the pixels with an observation."""
    mean_confidence: float
    """Mean confidence of its pixels, 0..1; NaN without pixels."""


@dataclass(frozen=True, slots=True)
class Example:
    """One pixel, explained."""

    name: str
    """Its class."""
    colour: str
    """#rrggbb"""
    confidence: float
    """0..1"""
    lon_deg: float
    lat_deg: float
    dates: tuple[str, ...]
    """First day of each step."""
    ndvi: tuple[float | None, ...]
    """NDVI of each step, None where missing."""
    contribution: tuple[float | None, ...]
    """What each step adds to the answer, None where missing."""


@dataclass(slots=True)
class Preview:
    """Thinned pictures of the area, for people."""

    step: int
    """Every n-th pixel is kept."""
    true_colour: NDArray[np.float32]
    """(y, x, 3) median reflectance of B04, B03, B02."""
    classes: NDArray[np.uint8]
    """(y, x) as in the class map."""
    confidence: NDArray[np.uint8]
    """(y, x) percent, 255 = nodata."""


@dataclass(frozen=True, slots=True)
class MapResult:
    """What was mapped and written."""

    folder: Path
    """Where the files are."""
    files: dict[str, Path]
    """By kind: classes, confidence, scores, picture, page, provenance."""
    taxonomy: Taxonomy
    """The classes asked for."""
    areas: tuple[ClassArea, ...]
    """One entry a class, in order, then "unknown"."""
    nodata_pixels: int
    """Pixels without any clear observation."""
    preview: Preview
    """Pictures for people."""
    examples: tuple[Example, ...]
    """A few explained pixels."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Also in provenance.json."""


def map_cube(
    cube: Cube | AreaSource,
    taxonomy: Taxonomy | str | Path | Sequence[str],
    *,
    out: str | Path,
    model: Model | str | Path | None = None,
    period: Period | str | int | None = None,
    every: Every = "month",
    templates: str | Sequence[str] = "default",
    scores: bool = True,
    block: int = 128,
    progress: Callable[[int, int], None] | None = None,
) -> MapResult:
    """Map an area by words.

    Args:
        cube: a `Cube`, or an opened area (`CubeSource`), read block by block, so that memory does not grow with the
            area.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases; at most 254 classes.
        out: folder for the files; it is made.
        model: a model or a checkpoint's name; default: the shipped one.
        period, every: what is read of a `CubeSource`; a `Cube` is taken as it is.
        templates: prompt templates.
        scores: also write one score band a class.
        block: side of a block in pixels.
        progress: called with (done, all) in pixels.

    Returns:
        The result; the files are complete when this returns.

    Raises:
        NoClearObservationError: no pixel has a clear observation.
        InputError: too many classes, or the encoder reads patches.
    """
    chosen = model if isinstance(model, Model) else load(model if model is not None else "default")
    classes = as_taxonomy(taxonomy)
    if len(classes) > _MAX_CLASSES:
        raise InputError(f"{len(classes)} classes; a class map holds at most {_MAX_CLASSES}. Ask in several maps.")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    weights = class_weights(classes, chosen.tower, templates)
    writers = _writers(folder, cube, classes, scores=scores)
    tally = _Tally(cube.shape, len(classes))
    provenance: dict[str, Any] = {}
    try:
        for window, piece in _pieces(cube, block, period, every):
            series = piece.pixel_series()
            answers = _ask(series, weights, chosen)
            _write(writers, answers, window)
            tally.add(piece, series, answers, window)
            provenance = dict(series.provenance)
            if progress is not None:
                progress(tally.done, cube.shape[0] * cube.shape[1])
        if tally.seen == 0:
            raise NoClearObservationError(
                "No pixel of the area has a clear observation in the period; choose another period."
            )
        files = {name: writer.finish() for name, writer in writers.items()}
    finally:
        for writer in writers.values():
            writer.discard()
    write_class_sidecars(files["classes"], classes)
    areas = tally.areas(classes, resolution_m(cube.crs, cube.transform, cube.shape))
    about = _provenance(chosen, classes, templates, provenance, areas, tally)
    files["provenance"] = _write_json(folder / "provenance.json", about)
    examples = tally.examples(classes, weights, chosen)
    result = MapResult(folder, files, classes, areas, tally.nodata, tally.preview, examples, about)
    return _illustrated(result)


def _ask(series: PixelSeries, weights: NDArray[np.float32], model: Model) -> Answers:
    embeddings = embed(series, model=model, missing="nan")
    calibration = model.config.calibration
    return classify_embeddings(
        embeddings, weights, temperature=calibration.temperature, unknown_score=calibration.unknown_score
    )


def _pieces(
    cube: Cube | AreaSource, block: int, period: Period | str | int | None, every: Every
) -> Iterator[tuple[Window, Cube]]:
    if not isinstance(cube, Cube):
        yield from cube.blocks(block, period=period, every=every)
        return
    rows, columns = cube.shape
    a, b, c, d, e, f = cube.transform
    for row in range(0, rows, block):
        for column in range(0, columns, block):
            window = (row, min(row + block, rows), column, min(column + block, columns))
            box = np.s_[..., window[0] : window[1], window[2] : window[3]]
            transform: Transform = (a, b, c + a * column + b * row, d, e, f + d * column + e * row)
            yield (
                window,
                Cube(
                    cube.reflectance[box], cube.valid[box], cube.start, cube.end, cube.crs, transform, cube.provenance
                ),
            )


def _writers(folder: Path, cube: Cube | AreaSource, classes: Taxonomy, *, scores: bool) -> dict[str, CogWriter]:
    def writer(name: str, dtype: str, nodata: float, descriptions: Sequence[str], **more: Any) -> CogWriter:
        grid: dict[str, Any] = {"shape": cube.shape, "crs": cube.crs, "transform": cube.transform}
        return CogWriter(folder / f"{name}.tif", dtype=dtype, nodata=nodata, descriptions=descriptions, **grid, **more)

    names = {f"CLASS_{k + 1}": name for k, name in enumerate(classes.names)} | {"CLASS_0": "unknown"}
    made = {
        "classes": writer("classes", "uint8", CLASS_NODATA, ["class"], tags=names, colours=class_colours(classes)),
        "confidence": writer("confidence", "uint8", CLASS_NODATA, ["confidence in percent"], overviews="average"),
    }
    if scores:
        tags = {"UNITS": "cosine similarity, -1..1"}
        made["scores"] = writer("scores", "float32", SCORE_NODATA, classes.names, tags=tags, overviews="average")
    return made


def _write(writers: dict[str, CogWriter], answers: Answers, window: Window) -> None:
    shape = window[1] - window[0], window[3] - window[2]
    seen = answers.seen
    writers["classes"].write(block_values(answers.label_index, seen, shape), window)
    writers["confidence"].write(_percent(answers, seen).reshape(1, *shape), window)
    if "scores" in writers:
        filled = np.where(seen[:, None], answers.scores, SCORE_NODATA).astype(np.float32)
        writers["scores"].write(np.ascontiguousarray(filled.T).reshape(-1, *shape), window)


def _percent(answers: Answers, seen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(seen, np.round(answers.confidence * 100), CLASS_NODATA).astype(np.uint8)


class _Tally:
    """What is counted and kept while the blocks pass by; its size does not depend on the area's."""

    def __init__(self, shape: tuple[int, int], count: int) -> None:
        step = max(1, -(-max(shape) // _PREVIEW_PX))
        small = -(-shape[0] // step), -(-shape[1] // step)
        empty = np.full(small, CLASS_NODATA, dtype=np.uint8)
        self.preview = Preview(step, np.zeros((*small, 3), dtype=np.float32), empty, empty.copy())
        self.pixels = np.zeros(count + 1, dtype=np.int64)
        self.confidence = np.zeros(count + 1)
        self.done = self.seen = self.nodata = 0
        self._best: dict[int, tuple[float, PixelSeries]] = {}

    def add(self, cube: Cube, series: PixelSeries, answers: Answers, window: Window) -> None:
        """Count a block."""
        seen = answers.seen
        self.done += len(series)
        self.seen += int(seen.sum())
        self.nodata += int((~seen).sum())
        label = answers.label_index[seen]
        self.pixels += np.bincount(label % len(self.pixels), minlength=len(self.pixels))  # -1 -> last
        self.confidence += np.bincount(
            label % len(self.pixels), weights=answers.confidence[seen], minlength=len(self.pixels)
        )
        for k in np.unique(label[label >= 0]):
            mine = np.flatnonzero(seen & (answers.label_index == k))
            # A typical pixel explains more than the surest one: take the confidence nearest to the upper quartile.
            target = np.quantile(answers.confidence[mine], 0.75)
            pick = mine[np.abs(answers.confidence[mine] - target).argmin()]
            if k not in self._best or len(mine) > self._best[k][0]:
                self._best[int(k)] = (float(len(mine)), series.take(np.array([pick])))
        self._thin(cube, answers, seen, window)

    def _thin(self, cube: Cube, answers: Answers, seen: NDArray[np.bool_], window: Window) -> None:
        step, shape = self.preview.step, cube.shape
        rows = np.arange(-(-window[0] // step) * step, window[1], step)
        columns = np.arange(-(-window[2] // step) * step, window[3], step)
        if rows.size == 0 or columns.size == 0:
            return
        inside = np.ix_(rows - window[0], columns - window[2])
        target = np.ix_(rows // step, columns // step)
        classes = block_values(answers.label_index, seen, shape)[0]
        self.preview.classes[target] = classes[inside]
        self.preview.confidence[target] = _percent(answers, seen).reshape(shape)[inside]
        bands = [band_index(name) for name in ("red", "green", "blue")]
        colour = cube.reflectance[:, bands][:, :, rows - window[0]][..., columns - window[2]]
        there = np.broadcast_to(cube.valid[:, rows - window[0]][..., columns - window[2]][:, None], colour.shape)
        masked = masked_median(colour, there)  # (3, y, x)
        self.preview.true_colour[target] = masked.transpose(1, 2, 0)

    def areas(self, classes: Taxonomy, pixel_m: float) -> tuple[ClassArea, ...]:
        """Area of each class and of "unknown"."""
        names, colours = (*classes.names, "unknown"), (*classes.colours, "#808080")
        values = (*range(1, len(classes) + 1), 0)
        out = []
        for name, colour, value, pixels, total in zip(
            names, colours, values, self.pixels, self.confidence, strict=True
        ):
            mean = float(total / pixels) if pixels else float("nan")
            hectares = float(pixels) * pixel_m**2 / 10_000
            out.append(ClassArea(name, value, colour, int(pixels), hectares, float(pixels) / max(self.seen, 1), mean))
        return tuple(out)

    def examples(
        self, classes: Taxonomy, weights: NDArray[np.float32], model: Model, most: int = 6
    ) -> tuple[Example, ...]:
        """Explain a pixel of each of the most frequent classes."""
        order = sorted(self._best, key=lambda k: -self.pixels[k])[:most]
        out = []
        for k in order:
            series = self._best[k][1]
            answers = _ask(series, weights, model)
            parts = step_contribution(series, weights, model=model, label_index=np.array([k]))[0]
            red, nir = series.reflectance[0, :, band_index("red")], series.reflectance[0, :, band_index("nir")]
            ndvi = (nir - red) / np.maximum(nir + red, 1e-6)
            valid = series.valid[0]
            out.append(
                Example(
                    name=classes.names[k],
                    colour=classes.colours[k],
                    confidence=float(answers.probabilities[0, k]),
                    lon_deg=float(series.lon_deg[0]),
                    lat_deg=float(series.lat_deg[0]),
                    dates=tuple(map(str, series.start[0])),
                    ndvi=tuple(float(v) if ok else None for v, ok in zip(ndvi, valid, strict=True)),
                    contribution=tuple(float(v) if np.isfinite(v) else None for v in parts),
                )
            )
        return tuple(out)


def _provenance(
    model: Model,
    classes: Taxonomy,
    templates: str | Sequence[str],
    source: dict[str, Any],
    areas: tuple[ClassArea, ...],
    tally: _Tally,
) -> dict[str, Any]:
    import torch

    from timesenclip import __version__

    return {
        "timesenclip": __version__,
        "torch": torch.__version__,
        "checkpoint": {"name": model.config.name, "digest": model.digest, "tower": model.config.tower.name},
        "calibration": model.config.calibration.model_dump(),
        "taxonomy": classes.name,
        "templates": templates,
        "prompts": {taxon.name: prompts_for(taxon, templates) for taxon in classes.classes},
        "input": source,
        "areas": [asdict(area) | {"mean_confidence": area.mean_confidence if area.pixels else None} for area in areas],
        "nodata_pixels": tally.nodata,
    }


def _write_json(path: Path, content: dict[str, Any]) -> Path:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def _illustrated(result: MapResult) -> MapResult:
    """Add the picture and the page."""
    from timesenclip.mapping.page import write_page
    from timesenclip.mapping.picture import write_picture

    result.files["picture"] = write_picture(result, result.folder / "map.png")
    result.files["page"] = write_page(result, result.folder / "map.html")
    return result
