"""Run the missing blocks of a job, record each in the manifest, and name those that failed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from timesenclip.errors import DegradedInputWarning, PartialFailureError
from timesenclip.files import json_text
from timesenclip.grid import Window
from timesenclip.manifest import Manifest
from timesenclip.mapping.run.attempt import BlockJob
from timesenclip.mapping.run.executor import BlockResult, Executor
from timesenclip.mapping.run.facts import BlockFacts
from timesenclip.messages import list_some, shorten_error

__all__ = ["Progress", "block_key", "done_blocks", "run_blocks"]

Progress = Callable[[int, int], None]
"""Called with (done, all) in pixels."""


def block_key(level: int, window: Window) -> str:
    """Name of a block in the manifest and in messages: level, rows, columns."""
    return f"level {level} rows {window.row}-{window.row_end} columns {window.column}-{window.column_end}"


def done_blocks(
    job: BlockJob, windows: Iterable[Window], manifest: Manifest, *, level: int = 0
) -> dict[Window, BlockFacts]:
    """The blocks that are recorded as done and whose output is still there."""
    found = {}
    for window in windows:
        content = manifest.done.get(block_key(level, window))
        facts = None if content is None else BlockFacts.from_json(content)
        if facts is not None and job.is_done(window, facts):
            found[window] = facts
    return found


def run_blocks(
    executor: Executor,
    job: BlockJob,
    windows: Sequence[Window],
    manifest: Manifest,
    *,
    output: Path,
    level: int = 0,
    progress: Progress | None = None,
) -> dict[Window, BlockFacts]:
    """Do the blocks that are missing and record each as it ends.

    Args:
        executor: runs them.
        job: does one block.
        windows: all blocks.
        manifest: which blocks are done; every new one is added.
        output: where the blocks go, for messages.
        level: overview level, 0 for full resolution.
        progress: called after every block.

    Returns:
        What is known of every block, in the order of `windows`.

    Raises:
        PartialFailureError: some blocks failed; the others are recorded.
        Exception: the error of the first block, where all failed.
    """
    done = done_blocks(job, windows, manifest, level=level)
    missing = [window for window in windows if window not in done]
    total = sum(window.pixels for window in windows)
    count = total - sum(window.pixels for window in missing)
    known = next((json_text(facts["input"]) for facts in manifest.done.values() if facts.get("input")), None)
    failed: dict[str, Exception] = {}
    remote_troubles: list[BlockFacts] = []
    for result in executor(job, missing):
        window, key = result.window, block_key(level, result.window)
        if result.facts is None:
            failed[key] = _block_error(result)
            manifest.fail(key, failed[key])
        else:
            facts = result.facts.without_repetition(known)
            if known is None and facts.input:
                known = json_text(facts.input)
            if result.remote and facts.has_trouble:
                remote_troubles.append(facts)
            manifest.add(key, facts.to_json())
            done[window] = BlockFacts.from_json(manifest.done[key])  # as a run that is continued will read it
            count += window.pixels
        if progress is not None:
            progress(count, total)
    _warn_of_troubles(remote_troubles)
    if failed:
        _raise_failed(failed, len(windows), output)
    return {window: done[window] for window in windows}


def _block_error(result: BlockResult) -> Exception:
    """The error of a block; one that ends the whole run (an interrupt, a warning made an error) is raised.

    Raises:
        BaseException: such an error.
    """
    error = result.error
    if isinstance(error, Warning) or not isinstance(error, Exception):
        raise error or RuntimeError(f"Nothing is known of the block {result.window}.")
    return error


def _raise_failed(failed: dict[str, Exception], blocks: int, output: Path) -> None:
    first = next(iter(failed.values()))
    if len(failed) == blocks:
        raise first  # all blocks failed, and most likely for one reason
    some = list_some([f"{key} ({type(error).__name__}: {shorten_error(error, 400)})" for key, error in failed.items()])
    raise PartialFailureError(
        f"{len(failed)} of {blocks} blocks failed and are missing in '{output}': {some}. The others are kept; run "
        "the same command again to do these."
    ) from first


def _warn_of_troubles(blocks: Sequence[BlockFacts]) -> None:
    """Repeat, once for all blocks, the warnings of other processes, which do not reach this one."""
    failed = sorted({text for facts in blocks for text in facts.failed})
    doubted = sorted({f"{name}: {why}" for facts in blocks for name, why in facts.contradicted.items()})
    if failed:
        warnings.warn(
            f"{len(failed)} files could not be read and give nothing to a window: {list_some(failed)}",
            DegradedInputWarning,
            stacklevel=4,
        )
    if doubted:
        warnings.warn(
            f"The pixels of {len(doubted)} scenes contradict the offset decided for them "
            f"({list_some(doubted)}). Say the "
            "offset or the provider.",
            DegradedInputWarning,
            stacklevel=4,
        )
