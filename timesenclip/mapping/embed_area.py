"""Embed an area into a store: every block is loaded, composited, embedded and written independently.

An interrupted run can be continued: the manifest records finished blocks, and files of the store appear under their
names only when they are complete, so a second run computes the missing blocks and ends with the same bytes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from timesenclip._version import __version__
from timesenclip.eo.area import AreaSource, block_side, check_unchanged
from timesenclip.eo.outliers import Outliers
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.errors import InputError
from timesenclip.files import file_lock, write_json
from timesenclip.grid import Window
from timesenclip.manifest import Manifest
from timesenclip.mapping.output.cog import output_folder
from timesenclip.mapping.plan import check_bands, fitting_block, sample_area
from timesenclip.mapping.run.attempt import BlockJob, one_torch_thread
from timesenclip.mapping.run.blocks import Progress, done_blocks, run_blocks
from timesenclip.mapping.run.embed_block import EmbedJob, OverviewJob
from timesenclip.mapping.run.executor import open_executor
from timesenclip.mapping.run.facts import BlockFacts, shared_input
from timesenclip.mapping.store.info import StoreInfo, chunk_side
from timesenclip.mapping.store.quantise import Projection, fit_projection
from timesenclip.mapping.store.sidecars import (
    adopt_older_manifest,
    item_path,
    manifest_path,
    remove_older_item,
    require_own_sidecars,
)
from timesenclip.mapping.store.stac_item import stac_item
from timesenclip.mapping.store.store import EmbeddingStore, foreign_in_store
from timesenclip.model.checkpoint import Model, as_model

__all__ = ["StoreResult", "check_store_output", "embed_area"]

_TORN = re.compile(r"\.[0-9a-f]{32}\.partial$")


@dataclass(frozen=True, slots=True)
class StoreResult:
    """A finished store."""

    store: EmbeddingStore
    """The store, opened."""
    blocks: int
    """Blocks of the area."""
    reused: int
    """Blocks that an earlier run had done."""
    pixels: int
    """Pixels of the area."""
    seen: int
    """Pixels with a clear observation."""
    item: Path
    """The STAC item."""
    manifest: Path
    """The manifest, which records every block."""


def embed_area(
    source: AreaSource,
    out: str | Path,
    *,
    model: Model | str | Path | None = None,
    period: Period | str | int | None = None,
    every: Every = "month",
    outliers: Outliers = "drop",
    dims: int | None = None,
    block: int | None = None,
    workers: int | None = None,
    dask: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> StoreResult:
    """Embed every pixel of an area into a store, which `ask_store` classifies for any query.

    Args:
        source: an opened area, such as `open_cube(...)`.
        out: the store, a folder; a new one or, if the same job was interrupted there, the one to continue.
        model: a model or a checkpoint's name; default: the shipped one.
        period, every: what is read.
        outliers: leave out outlying steps of the composites, or keep them (see `timesenclip.eo.outliers`).
        dims: dimensions kept of an embedding; default: all.
        block: side of a block in pixels, a multiple of 16, and of a shard of the store; default: 256, of scenes 512.
        workers: threads; default: one a core. Memory grows with them, not with the area.
        dask: `tcp://host:port` or `local:N`: run the blocks on a cluster that reaches `out`, with the same result.
        overwrite: remove a store of ours of another job first; one of the same job is continued.
        progress: called with (done, all) in pixels.

    Returns:
        The store, complete.

    Raises:
        BandError: the area lacks bands that the checkpoint needs.
        InputError: `out` holds a store of another checkpoint, period, grid or state of the source, or what is not ours,
            another process is writing it, or the source was changed during the run.
        PartialFailureError: some blocks failed; the others are kept, and the same call computes the missing ones.
    """
    path = Path(out).resolve()
    check_store_output(path)
    chosen = as_model(model)
    plain = Model(chosen.encoder, chosen.config, digest=chosen.digest)  # without its tower, which blocks do not need
    span = as_period(period)
    check_bands(source, chosen, period=span)
    source.check_offset(span)
    output_folder(path.parent)
    side = fitting_block(source.shape, block_side(source, block))
    info = _info(source, plain, span, every, dims, side, outliers)
    with _only_writer(path), one_torch_thread(), open_executor(workers, dask) as executor:
        check_store_output(path)
        if _is_empty(path):
            path.rmdir()
        known = EmbeddingStore.open(path) if path.exists() else None
        if known is not None and known.info.tower_revision == "":  # an early store, whose manifest does not say it
            info = info.model_copy(update={"tower_revision": ""})
        if known is not None and not _is_same(known, info, overwrite):
            _remove_store(path)
            known = None
        adopt_older_manifest(path)
        identity = {"store": path.name, **_identity(info)}
        fresh = known is None  # a manifest without a store belongs to a store that was removed
        with _without_orphan(path), Manifest(manifest_path(path), "embed-area", identity, fresh=fresh) as manifest:
            store = known or _create(path, info, source, plain, span, every, outliers)
            _remove_torn_files(path)
            windows = list(store.blocks())
            job: BlockJob = EmbedJob(source, plain, span, every, store, outliers)
            reused = len(done_blocks(job, windows, manifest))
            facts = run_blocks(executor, job, windows, manifest, output=path, progress=progress)
            for level in range(1, len(info.level_shapes)):
                job, windows = OverviewJob(store, level), list(store.at_level(level).blocks())
                run_blocks(executor, job, windows, manifest, output=path, level=level)
            check_unchanged(source)
            return _finish(store, facts, reused, span, source.bands_there(span))


def check_store_output(out: str | Path) -> None:
    """Check, before any work, that a store and the files beside it replace nothing that is not ours.

    Raises:
        InputError: they would, or a store of ours holds a file that is not ours.
    """
    path = Path(out)
    if path.is_symlink() and not path.exists():
        raise InputError(f"'{path}' is a link that leads nowhere; remove it, or give another output.")
    if path.exists() and not _is_empty(path):
        if not (path / "zarr.json").is_file():
            raise InputError(f"'{path}' exists and is no embedding store; give another output, or remove it.")
        EmbeddingStore.open(path)
    require_own_sidecars(path.resolve())


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Keep a store for this process, before its files are looked at: another process may be ending its work there."""
    with file_lock(path.with_name(f".{path.name}.lock")) as free:
        if not free:
            raise InputError(f"Another process is writing '{path}'; wait for it, or give another output.")
        yield


@contextmanager
def _without_orphan(path: Path) -> Iterator[None]:
    """Remove the manifest of a store that could not be made."""
    try:
        yield
    finally:
        if not path.exists():
            manifest_path(path).unlink(missing_ok=True)


def _remove_store(path: Path) -> None:
    """Remove a store of ours and its manifest."""
    foreign = foreign_in_store(path)
    if foreign is not None:
        raise InputError(
            f"'{path}' holds '{foreign}', which timesenclip did not write; move it, or give another output."
        )
    shutil.rmtree(path)
    manifest_path(path).unlink(missing_ok=True)


def _info(
    source: AreaSource,
    model: Model,
    period: Period | None,
    every: Every,
    dims: int | None,
    block: int,
    outliers: Outliers,
) -> StoreInfo:
    full = model.encoder.config.embed_dim
    kept = full if dims is None else dims
    if not 1 <= kept <= full:
        raise InputError(f"{kept} dimensions were asked for; the embeddings of '{model.config.name}' have {full}.")
    return StoreInfo(
        checkpoint=model.config.name,
        digest=model.digest,
        tower=model.config.tower.name,
        tower_revision=model.config.tower.revision,
        full_dims=full,
        dims=kept,
        calibration=model.config.calibration,
        source=source.identity,
        period=str(period) if period is not None else "all",
        every=every,
        outliers=outliers,
        shape=source.shape,
        crs=source.crs,
        transform=source.transform,
        block=block,
        chunk=chunk_side(block),
    )


def _identity(info: StoreInfo) -> dict[str, Any]:
    unsaid = {"tower_revision"} if info.tower_revision == "" else set()
    return info.model_dump(mode="json", exclude={"format_version", "kept", "calibration", "chunk"} | unsaid)


def _is_same(store: EmbeddingStore, info: StoreInfo, overwrite: bool) -> bool:
    """Whether a store is of this job; one of another job is refused, since two jobs must not mix, or overwritten."""
    theirs, mine = _identity(store.info), _identity(info)
    for key, value in mine.items():
        if theirs[key] != value and not (key == "source" and not theirs[key]):  # early stores do not say it
            if overwrite:
                return False
            raise InputError(
                f"The store '{store.path}' was made with {key} {theirs[key]!r}, this is {value!r}; give another "
                "output, or --overwrite to remove the store."
            )
    return True


def _create(
    path: Path,
    info: StoreInfo,
    source: AreaSource,
    model: Model,
    period: Period | None,
    every: Every,
    outliers: Outliers,
) -> EmbeddingStore:
    projection: Projection | None = None
    if info.dims < info.full_dims:
        sample = sample_area(source, model, period=period, every=every, block=info.block, outliers=outliers)
        projection = fit_projection(sample.vectors, info.dims)
        info = info.model_copy(update={"kept": projection.kept})
    return EmbeddingStore.create(path, info, projection)


def _remove_torn_files(path: Path) -> None:
    """Remove the files that a killed process left under the temporary names of Zarr."""
    for part in path.rglob("*.partial"):
        if _TORN.search(part.name):
            part.unlink(missing_ok=True)


def _finish(
    store: EmbeddingStore,
    facts: dict[Window, BlockFacts],
    reused: int,
    period: Period | None,
    bands: tuple[str, ...],
) -> StoreResult:
    start, end = _days(period, facts.values())
    _remove_torn_files(store.path)  # left by a worker of a cluster that was lost
    about = {"bands": list(bands)} | shared_input(facts.values())
    provenance = {"timesenclip": __version__, "torch": torch.__version__, "input": about}
    store.finish(provenance)
    item = item_path(store.path)
    write_json(item, stac_item(store, start=start, end=end))
    remove_older_item(store.path)
    return StoreResult(
        store=store,
        blocks=len(facts),
        reused=reused,
        pixels=sum(window.pixels for window in facts),
        seen=sum(each.seen for each in facts.values()),
        item=item,
        manifest=manifest_path(store.path),
    )


def _days(period: Period | None, facts: Iterable[BlockFacts]) -> tuple[str, str]:
    """First and last day: of the period, or of what the blocks found."""
    if period is not None:
        return str(period.start), str(period.end - np.timedelta64(1, "D"))
    days = [day for each in facts for day in each.days]
    return (min(days), max(days)) if days else ("1970-01-01", "1970-01-01")
