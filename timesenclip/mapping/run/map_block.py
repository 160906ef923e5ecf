"""The blocks of a map: read, composite, embed, classify, and keep the predictions until all blocks are there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timesenclip.eo.area import AreaSource, CubeInMemory, block_windows, check_unchanged
from timesenclip.eo.outliers import Outliers
from timesenclip.eo.period import Every, Period
from timesenclip.files import TEMPORARY_SUFFIX, remove_temporary_files
from timesenclip.grid import Window
from timesenclip.manifest import Manifest, is_manifest
from timesenclip.mapping.observations import read_composites
from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.query import Query
from timesenclip.mapping.run.attempt import one_torch_thread
from timesenclip.mapping.run.blocks import Progress, run_blocks
from timesenclip.mapping.run.executor import open_executor
from timesenclip.mapping.run.facts import BlockFacts
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed_cube

__all__ = ["MapJob", "is_block_file", "is_block_folder"]

_BATCH = 512
_MANIFEST = "manifest.jsonl"
_BLOCK_FILE = re.compile(
    rf"\d+-\d+\.npz|{re.escape(_MANIFEST)}|\.{re.escape(_MANIFEST)}\.lock|\..+{re.escape(TEMPORARY_SUFFIX)}"
)


def is_block_file(name: str) -> bool:
    """Whether a name is that of a file that `MapJob` keeps."""
    return _BLOCK_FILE.fullmatch(name) is not None


def is_block_folder(folder: Path) -> bool:
    """Whether a folder was made by `MapJob`: its manifest is one of a map, or it holds only names of ours."""
    manifest = folder / _MANIFEST
    if manifest.is_file() and manifest.stat().st_size:
        return is_manifest(manifest, "map")
    return folder.is_dir() and all(is_block_file(file.name) for file in folder.iterdir())


@dataclass(frozen=True)
class MapJob:
    """What all blocks of a map share; it can be sent to another process."""

    source: AreaSource
    """Where pixels come from."""
    model: Model
    """The encoder; its tower is not needed."""
    query: Query
    """What is asked of every pixel."""
    period: Period | None
    """What is read."""
    every: Every
    """Composite length."""
    min_clear: int
    """Pixels with fewer clear observations are not classified."""
    scores: bool
    """Whether the scores are kept."""
    folder: Path
    """Where blocks are kept; every worker must reach it."""
    outliers: Outliers = "drop"
    """What is done with outlying steps."""

    def run(self, window: Window) -> BlockFacts:
        """Do one block, and return what is known of it.

        Raises:
            OSError: an input or the output could not be read or written.
            TimeError: the period has no date.
        """
        began = time.perf_counter()
        cube = read_composites(self.source, window, self.period, self.every, self.outliers)
        if cube is None or not cube.valid.any():
            seconds = {"load": round(time.perf_counter() - began, 3), "embed": 0.0}
            return BlockFacts(
                seen=0, pixels=window.pixels, seconds=seconds, input={} if cube is None else cube.provenance
            )
        loaded = time.perf_counter()
        vectors = embed_cube(cube, model=self.model, batch_size=_BATCH)  # (Y * X, D)
        block = ClassBlock.from_vectors(vectors, self.query, cube, min_clear=self.min_clear, keep_scores=self.scores)
        seen = block.seen + block.masked
        if seen:
            block.save(self.path(window))
        seconds = {"load": loaded - began, "embed": time.perf_counter() - loaded}
        return BlockFacts(
            seen=seen,
            pixels=window.pixels,
            seconds={name: round(value, 3) for name, value in seconds.items()},
            input=cube.provenance,
        )

    def path(self, window: Window) -> Path:
        """Where a block is kept."""
        return self.folder / f"{window.row}-{window.column}.npz"

    def is_done(self, window: Window, facts: BlockFacts) -> bool:
        """Whether a recorded block is there; one in which nothing was seen has no file."""
        return facts.seen == 0 or self.path(window).is_file()

    def run_all(
        self,
        block: int,
        *,
        workers: int | None,
        dask: str | None,
        progress: Progress | None,
        overwrite: bool = False,
    ) -> dict[Window, BlockFacts]:
        """Do every block that is missing in the folder.

        Args:
            block: side of a block in pixels.
            workers, dask: where blocks run, as `open_executor`.
            progress: called after every block.
            overwrite: drop the blocks of another map that was begun in the folder.

        Returns:
            What is known of every block, row by row.

        Raises:
            InputError: another map was begun in the folder, or the source was changed during the run.
            PartialFailureError: some blocks failed; the others are kept.
        """
        windows = list(block_windows(self.source.shape, block))
        in_memory = isinstance(self.source, CubeInMemory)  # such a source has no digest: never continued
        path, identity = self.folder / _MANIFEST, self._identity(block)
        with Manifest(path, "map", identity, fresh=in_memory, restart=overwrite) as manifest:
            remove_temporary_files(self.folder)
            with one_torch_thread(), open_executor(workers, dask) as executor:
                facts = run_blocks(executor, self, windows, manifest, output=self.folder.parent, progress=progress)
            check_unchanged(self.source)
            return facts

    def load_all(self, facts: dict[Window, BlockFacts]) -> Iterator[tuple[Window, ClassBlock | None]]:
        """Read the blocks again, one after the other; None for those in which nothing was seen."""
        for window, about in facts.items():
            yield window, ClassBlock.load(self.path(window)) if about.seen else None

    def _identity(self, block: int) -> dict[str, Any]:
        """What a second run must share with the first to continue it."""
        return {
            "source": self.source.identity,
            "checkpoint": self.model.config.name,
            "digest": self.model.digest,
            "question": self.query.label,
            "period": str(self.period) if self.period is not None else "all",
            "every": self.every,
            "outliers": self.outliers,
            "unknown_below": self.query.calibration.unknown_score,
            "min_clear": self.min_clear,
            "scores": self.scores,
            "block": block,
        }
