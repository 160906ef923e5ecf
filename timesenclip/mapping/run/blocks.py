"""Many blocks of one job: run them wherever they may run, record each, and name what failed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from timesenclip.errors import DegradedInputWarning, PartialFailureError
from timesenclip.files import json_text
from timesenclip.grid import Window
from timesenclip.manifest import Manifest
from timesenclip.mapping.run.executor import Spread
from timesenclip.messages import reason_of, some_of

__all__ = ["Progress", "block_key", "input_of", "pixels_of", "run_pieces"]

_TROUBLES = ("failed", "contradicted")
"""What a block's input says of itself alone: files that could not be read, scenes whose pixels belie their offset."""

Progress = Callable[[int, int], None]
"""Called with (done, all) in pixels."""


def block_key(level: int, window: Window) -> str:
    """Name of a block in the manifest and in messages: level, rows, columns."""
    return f"level {level} rows {window.row}-{window.row_end} columns {window.column}-{window.column_end}"


def pixels_of(window: Window) -> int:
    """Number of its pixels."""
    return window.pixels


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
    known = json_text(next((facts["input"] for facts in manifest.done.values() if facts.get("input")), None))
    unheard: list[dict[str, Any]] = []
    for outcome in spread(job, missing):
        key = block_key(level, outcome.piece)
        if outcome.error is None:
            facts, known = _lean(outcome.facts or {}, known)
            if outcome.remote and any(facts.get(trouble) for trouble in _TROUBLES):
                unheard.append(facts)
            manifest.add(key, facts)
            done += pixels_of(outcome.piece)
        else:
            if isinstance(outcome.error, Warning) or not isinstance(outcome.error, Exception):
                raise outcome.error
            manifest.fail(key, outcome.error)
            failed[key] = outcome.error
        if progress is not None:
            progress(done, total)
    _say_unheard(unheard)
    if failed:
        _say_failed(failed, len(windows), where)


def _say_failed(failed: dict[str, Exception], blocks: int, where: Path) -> None:
    first = next(iter(failed.values()))
    if len(failed) == blocks:
        raise first  # nothing worked, and most likely for one reason
    some = some_of([f"{key} ({type(error).__name__}: {reason_of(error, 400)})" for key, error in failed.items()])
    raise PartialFailureError(
        f"{len(failed)} of {blocks} blocks failed and are missing in '{where}': {some}. The others are kept; run "
        "the same command again to do these."
    ) from first


def input_of(blocks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the pixels of an area come from: what all blocks share, and the troubles of each.

    Args:
        blocks: facts of the blocks, as the manifest has them.
    """
    shared: dict[str, Any] = {}
    failed: set[str] = set()
    contradicted: dict[str, str] = {}
    for facts in blocks:
        own = facts.get("input") or {}
        shared = shared or dict(own)
        for part in (facts, own):  # early manifests keep them in the input
            failed.update(part.get("failed", ()))
            contradicted |= part.get("contradicted", {})
    if "failed" in shared:
        shared |= {"failed": sorted(failed), "contradicted": dict(sorted(contradicted.items()))}
    return shared


def _lean(facts: Mapping[str, Any], known: str) -> tuple[dict[str, Any], str]:
    """The facts of a block without what an earlier one has said; the input names every scene of the area.

    Kept with each block, the names alone would be gigabytes for a country.
    """
    lean = dict(facts)
    own = dict(lean.get("input") or {})
    if not own:
        return lean, known
    for trouble in _TROUBLES:
        if own.get(trouble):
            lean[trouble], own[trouble] = own[trouble], type(own[trouble])()
    text = json_text(own)
    lean["input"] = {} if text == known else own
    return lean, known if known != "null" else text


def _say_unheard(blocks: Sequence[Mapping[str, Any]]) -> None:
    """Say once what workers of a cluster met with."""
    failed = sorted({text for facts in blocks for text in facts.get("failed", ())})
    doubted = sorted({f"{name}: {why}" for facts in blocks for name, why in facts.get("contradicted", {}).items()})
    if failed:
        warnings.warn(
            f"{len(failed)} files could not be read and give nothing to a window: {some_of(failed)}",
            DegradedInputWarning,
            stacklevel=4,
        )
    if doubted:
        warnings.warn(
            f"The pixels of {len(doubted)} scenes contradict the offset decided for them ({some_of(doubted)}). Say the "
            "offset or the provider.",
            DegradedInputWarning,
            stacklevel=4,
        )
