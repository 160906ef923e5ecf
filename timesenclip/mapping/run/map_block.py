"""One block of a map: load, composite, embed, ask, and keep the answers until all blocks are there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.eo.area import AreaSource
from timesenclip.eo.period import Every, Period
from timesenclip.errors import NoClearObservationError
from timesenclip.files import atomic_file
from timesenclip.grid import Window
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.class_map import BlockAnswers
from timesenclip.mapping.output.result import Example
from timesenclip.mapping.run.blocks import pixels_of
from timesenclip.mapping.run.embed_block import clear_count, colour_bytes, run_block
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries, concatenate
from timesenclip.tasks.classify import Predictions, classify_embeddings
from timesenclip.tasks.explain import step_contribution

__all__ = ["Examples", "MapBlock", "MapJob", "answers_of"]

_BATCH = 512


@dataclass(frozen=True, slots=True)
class MapBlock:
    """The answers of a block, and a typical pixel of each class in it."""

    answers: BlockAnswers
    """What is written and counted."""
    typical: dict[int, tuple[int, PixelSeries]]
    """Class index -> pixels of that class in the block, and one of them."""


@dataclass(frozen=True)
class MapJob:
    """What every block of a map shares; it can be sent to another process."""

    source: AreaSource
    """Where pixels come from."""
    model: Model
    """The encoder and its calibration; its tower is not needed."""
    weights: NDArray[np.float32]
    """(K, D) the question."""
    period: Period | None
    """What is read."""
    every: Every
    """Composite length."""
    min_clear: int
    """Pixels with fewer clear observations are not answered."""
    scores: bool
    """Whether the scores are kept."""
    folder: Path
    """Where blocks are kept; every worker must reach it."""

    def run(self, window: Window) -> dict[str, Any]:
        """Do one block, and say how it went.

        Raises:
            OSError: the last of several attempts failed.
            Exception: any other error, after the first attempt.
        """
        return run_block(lambda: self._once(window))

    def path(self, window: Window) -> Path:
        """Where a block is kept."""
        return self.folder / f"{window[0]}-{window[2]}.npz"

    def has(self, window: Window, facts: Mapping[str, Any] | None) -> bool:
        """Whether a block is done: recorded, and there unless nothing was seen in it."""
        return facts is not None and (facts["seen"] == 0 or self.path(window).is_file())

    def load(self, window: Window) -> MapBlock:
        """Read a block again."""
        with np.load(self.path(window), allow_pickle=False) as file:
            arrays: dict[str, Any] = dict(file)
        typical = arrays.pop("typical_class"), arrays.pop("typical_count")
        names = ("reflectance", "valid", "start", "end", "lon_deg", "lat_deg")
        series = {name: arrays.pop(f"typical_{name}") for name in names}
        answers = BlockAnswers(**{"scores": None, **arrays})
        if not len(typical[0]):
            return MapBlock(answers, {})
        ids = tuple(str(k) for k in range(len(typical[0])))
        pixels = PixelSeries(sample_id=ids, **series)
        found = {
            int(k): (int(count), pixels.take(np.array([i]))) for i, (k, count) in enumerate(zip(*typical, strict=True))
        }
        return MapBlock(answers, found)

    def _once(self, window: Window) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            cube = self.source.read(window, period=self.period, every=self.every)
        except NoClearObservationError:
            return {"pixels": pixels_of(window), "seen": 0, "masked": 0, "input": {}}
        if not cube.valid.any():
            seconds = {"load": round(time.perf_counter() - began, 3), "embed": 0.0}
            return {"pixels": pixels_of(window), "seen": 0, "seconds": seconds, "input": dict(cube.provenance)}
        series = cube.pixel_series()
        loaded = time.perf_counter()
        clear = clear_count(cube)
        rare = (clear > 0) & (clear < self.min_clear)
        vectors = embed(series, model=self.model, batch_size=_BATCH, missing="nan")  # (N, D)
        vectors[rare.ravel()] = np.nan
        answers = answers_of(vectors, self.weights, self.model)
        block = BlockAnswers.of(answers, clear, colour_bytes(cube), masked=int(rare.sum()), scores=self.scores)
        if answers.seen.any() or rare.any():
            self._save(window, block, _typical(answers, series))
        seconds = {"load": loaded - began, "embed": time.perf_counter() - loaded}
        return {
            "pixels": len(series),
            "seen": int(answers.seen.sum()) + int(rare.sum()),
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "input": dict(cube.provenance),
        }

    def _save(self, window: Window, block: BlockAnswers, typical: dict[int, tuple[int, PixelSeries]]) -> None:
        arrays = {name: getattr(block, name) for name in BlockAnswers.__slots__}
        arrays |= {
            "typical_class": np.array(list(typical), dtype=np.int64),
            "typical_count": np.array([count for count, _ in typical.values()], dtype=np.int64),
        }
        pixels = concatenate([series for _, series in typical.values()]) if typical else None
        for name in ("reflectance", "valid", "start", "end", "lon_deg", "lat_deg"):
            arrays[f"typical_{name}"] = np.zeros(0) if pixels is None else getattr(pixels, name)
        # Shared, for a worker that was thought lost may still be writing the same block.
        with atomic_file(self.path(window), shared=True) as file:
            np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


class Examples:
    """Keeps a typical pixel of each class: of the block that has most of it."""

    def __init__(self) -> None:
        """With none."""
        self._best: dict[int, tuple[int, PixelSeries]] = {}

    def add(self, block: MapBlock) -> None:
        """Look at a block."""
        for k, (count, series) in block.typical.items():
            if k not in self._best or count > self._best[k][0]:
                self._best[k] = (count, series)

    def explained(
        self, pixels: NDArray[np.int64], classes: Taxonomy, weights: NDArray[np.float32], model: Model, most: int = 6
    ) -> tuple[Example, ...]:
        """Explain a pixel of each of the most frequent classes; `pixels` (K + 1,) says how frequent they are."""
        order = sorted(self._best, key=lambda k: (-pixels[k], k))[:most]
        return tuple(_example(k, self._best[k][1], classes, weights, model) for k in order)


def answers_of(vectors: NDArray[np.float32], weights: NDArray[np.float32], model: Model) -> Predictions:
    """Predictions to vectors (N, D), with the model's calibration."""
    calibration = model.config.calibration
    return classify_embeddings(
        vectors, weights, temperature=calibration.temperature, unknown_score=calibration.unknown_score
    )


def _typical(answers: Predictions, series: PixelSeries) -> dict[int, tuple[int, PixelSeries]]:
    out = {}
    for k in np.unique(answers.label_index[answers.seen & (answers.label_index >= 0)]):
        mine = np.flatnonzero(answers.seen & (answers.label_index == k))
        # A typical pixel explains more than the surest one: take the confidence nearest to the upper quartile.
        target = np.quantile(answers.confidence[mine], 0.75)
        pick = mine[np.abs(answers.confidence[mine] - target).argmin()]
        out[int(k)] = (len(mine), series.take(np.array([pick])))
    return out


def _example(k: int, series: PixelSeries, classes: Taxonomy, weights: NDArray[np.float32], model: Model) -> Example:
    answers = answers_of(embed(series, model=model, missing="nan"), weights, model)
    parts = step_contribution(series, weights, model=model, label_index=np.array([k]))[0]
    red, nir = series.reflectance[0, :, band_index("red")], series.reflectance[0, :, band_index("nir")]
    ndvi = (nir - red) / np.maximum(nir + red, 1e-6)
    return Example(
        name=classes.names[k],
        colour=classes.colours[k],
        confidence=float(answers.probabilities[0, k]),
        lon_deg=float(series.lon_deg[0]),
        lat_deg=float(series.lat_deg[0]),
        dates=tuple(map(str, series.start[0])),
        ndvi=tuple(float(v) if ok else None for v, ok in zip(ndvi, series.valid[0], strict=True)),
        contribution=tuple(float(v) if np.isfinite(v) else None for v in parts),
    )
