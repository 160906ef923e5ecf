"""Many blocks of one job: run them wherever they may run, record each, and name what failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from timesenclip.eo.cube import Window
from timesenclip.errors import PartialFailureError
from timesenclip.manifest import Manifest
from timesenclip.mapping.spread import Spread

__all__ = ["Progress", "block_key", "pixels_of", "run_pieces"]

Progress = Callable[[int, int], None]
"""Called with (done, all) in pixels."""


def block_key(level: int, window: Window) -> str:
    """Name of a block in the manifest and in messages: level, rows, columns."""
    return f"level {level} rows {window[0]}-{window[1]} columns {window[2]}-{window[3]}"


def pixels_of(window: Window) -> int:
    """Number of its pixels."""
    return (window[1] - window[0]) * (window[3] - window[2])


def run_pieces(
    spread: Spread,
    job: Any,
    windows: Sequence[Window],
    missing: Sequence[Window],
    manifest: Manifest,
    *,
    where: Path,
    level: int = 0,
    progress: Progress | None = None,
) -> None:
    """Do the missing blocks and record each as it ends.

    Args:
        spread: where they run.
        job: its `run(window)` does one block.
        windows, missing: all blocks, and those to do.
        manifest: takes what `run` says.
        where: output, for messages.
        level: level of a pyramid.
        progress: told after every block.

    Raises:
        PartialFailureError: some blocks failed; the others are recorded.
        Exception: the error of the first block, where all failed.
    """
    total = sum(map(pixels_of, windows))
    done = total - sum(map(pixels_of, missing))
    failed: dict[str, Exception] = {}
    for outcome in spread(job, missing):
        key = block_key(level, outcome.piece)
        if outcome.error is None:
            manifest.add(key, outcome.facts)
            done += pixels_of(outcome.piece)
        else:
            if isinstance(outcome.error, Warning) or not isinstance(outcome.error, Exception):
                raise outcome.error
            manifest.fail(key, outcome.error)
            failed[key] = outcome.error
        if progress is not None:
            progress(done, total)
    if failed:
        _say_failed(failed, len(windows), where)


def _say_failed(failed: dict[str, Exception], blocks: int, where: Path) -> None:
    first = next(iter(failed.values()))
    if len(failed) == blocks:
        raise first  # nothing worked, and most likely for one reason
    some = "; ".join(f"{key} ({type(error).__name__}: {error})" for key, error in list(failed.items())[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    raise PartialFailureError(
        f"{len(failed)} of {blocks} blocks failed and are missing in '{where}': {some}{more}. The others are kept; run "
        "the same command again to do these."
    ) from first
