"""Sweeps that train: one checkpoint for a recipe and for each variation of it; all are then evaluated alike.

    OUT/checkpoints/<digest>/   a run of `pretrain` each, with `done.json` when it has ended
    OUT/cells/, OUT/sweep.*     what `timesenclip.evaluation.sweep.run` writes

After an interruption the same command continues, also inside a training, and ends with the same table: a training
resumes bit for bit on a CPU, and finished trainings and cells are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from timesenclip.data.store import SeriesStore
from timesenclip.errors import CheckpointError, InputError, TrainingDivergedError
from timesenclip.evaluation.labels.store import is_store
from timesenclip.evaluation.sweep.cells import RETRIEVAL, SweepCheckpoint
from timesenclip.evaluation.sweep.config import SweepConfig
from timesenclip.evaluation.sweep.run import SWEEP_FILES, SweepResult, run_sweep
from timesenclip.files import write_json
from timesenclip.ground.load import load_tower
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import load_taxonomy, taxonomy_from_phrases
from timesenclip.model.checkpoint import load
from timesenclip.owned import require_own_names
from timesenclip.read_files import read_json
from timesenclip.train.data import TrainingData, read_training_data
from timesenclip.train.photos import make_architecture
from timesenclip.train.recipe import PhotoRecipe, read_recipe, recipe_digest
from timesenclip.train.trainer import Progress, pretrain
from timesenclip.train.variations import Variation, variations

__all__ = ["run_ablation"]

_LOG = logging.getLogger(__name__)
_DONE = "done.json"
Watch = Callable[[str, int, int], contextlib.AbstractContextManager[Progress | None]]
"""Called before a training with (name, number, total); yields the progress callback for its steps."""


def run_ablation(
    config: SweepConfig,
    out: str | Path,
    *,
    accelerator: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    watch: Watch | None = None,
) -> SweepResult:
    """Train the missing checkpoints of a sweep, evaluate all of them, and write the table and the figures.

    All settings are checked before the first training begins. If the labelled data are the store that is trained on,
    only its held-out places are evaluated: the test part or, if the split has none, the validation part.

    Args:
        config: from `read_sweep`, with `train`.
        out: folder; finished trainings and cells in it are kept.
        accelerator: `auto`, `cpu` or `gpu`.
        progress: called with (done, all) cells.
        watch: called before every training that is not finished.

    Raises:
        InputError: a value is invalid, or the data do not fit the sweep.
        RunStoppedError: a state could not be written.
    """
    if config.train is None:
        return run_sweep(config, out, progress=progress)
    require_own_names(out, "sweep", SWEEP_FILES)
    base = read_recipe(config.train.recipe, changes=config.train.changes)
    if not isinstance(base, PhotoRecipe):
        raise InputError(
            f"'{config.train.recipe}' is a recipe for field notes; a sweep trains recipes for "
            "photographs only; give one."
        )
    data = read_training_data(base)
    chosen = variations(config.train, base, store_patch=data.store.patch_size)
    _check(config, chosen, data)
    stamp = _stamp(data.store)
    only = None
    if any(Path(name).resolve() == data.store.folder.resolve() for name in config.data):
        places = data.test if len(data.test) else data.validation
        only = data.store.index["sample_id"].astype(str).to_numpy()[places.rows].tolist()
    del data  # every training reads the data for itself
    runs = Path(out) / "checkpoints"
    makers = [
        partial(
            _trained,
            variation,
            runs / hashlib.sha256(f"{recipe_digest(variation.recipe)} {stamp}".encode()).hexdigest()[:12],
            accelerator=accelerator,
            watch=partial(_watched, watch, variation.name, number + 1, len(chosen)),
        )
        for number, variation in enumerate(chosen)
    ]
    return run_sweep(config, out, trained=makers, only=only, progress=progress)


def _watched(
    watch: Watch | None, name: str, number: int, count: int
) -> contextlib.AbstractContextManager[Progress | None]:
    return contextlib.nullcontext() if watch is None else watch(name, number, count)


def _trained(
    variation: Variation,
    folder: Path,
    *,
    accelerator: str,
    watch: Callable[[], contextlib.AbstractContextManager[Progress | None]],
) -> SweepCheckpoint:
    """The checkpoint of a variation; it is trained now if it does not exist."""
    ended = _ended(folder)
    if ended is None:
        try:
            with watch() as progress:
                run = pretrain(variation.recipe, folder, accelerator=accelerator, progress=progress)
            ended = {"name": variation.name, "steps": run.steps, "stopped_early": run.stopped_early, "diverged": None}
        except TrainingDivergedError as error:
            # A second attempt would diverge, too; the other trainings are continued.
            _LOG.warning("%s: %s", variation.name, error)
            ended = {"name": variation.name, "diverged": str(error)}
        write_json(folder / _DONE, ended, shared=True)
    if ended["diverged"]:
        return SweepCheckpoint(variation.name, None, variation.settings, variation.changed)
    best = folder / "best"
    held = load(best).config.training["held_out"]
    recalls = [held[way][str(k)] for way in ("satellite_to_ground", "ground_to_satellite") for k in (1, 5, 10)]
    found = dict(zip(RETRIEVAL, recalls, strict=True))
    return SweepCheckpoint(variation.name, str(best), variation.settings, variation.changed, found)


def _ended(folder: Path) -> dict[str, Any] | None:
    """The record of a finished run, None if there is none."""
    try:
        ended = dict(read_json(folder / _DONE, what="record"))
        diverged = ended["diverged"]
    except (OSError, ValueError, KeyError, TypeError):  # absent or damaged: the state of the run says how far it is
        return None
    if diverged is None:
        try:
            load(folder / "best")
        except CheckpointError as error:
            raise CheckpointError(f"{error} Or remove '{folder}'; the sweep then trains it again.") from error
    return ended


def _check(config: SweepConfig, chosen: Sequence[Variation], data: TrainingData) -> None:
    """Check architectures, patches, tower and prompts before training, so that no error ends a sweep after days."""
    for variation in chosen:
        make_architecture(variation.recipe, data)
    largest = max(int(variation.settings["patch_size"]) for variation in chosen)
    if largest > data.store.patch_size:
        raise InputError(
            f"The sweep asks for patches of {largest} x {largest} pixels, but '{data.store.folder}' has "
            f"{data.store.patch_size} x {data.store.patch_size}; convert it again with --patch {largest}, or leave "
            "those out."
        )
    for name in config.data:
        side = SeriesStore.open(name).patch_size if is_store(Path(name)) else 1
        if side < largest:
            raise InputError(
                f"The sweep asks for patches of {largest} x {largest} pixels, but the labelled data '{name}' have "
                f"{side} x {side}; give a training store of such patches."
            )
    tower = load_tower(data.tower, revision=data.revision)
    if tower.dim != data.dim:
        raise InputError(
            f"The tower '{data.tower}' has {tower.dim} dimensions, the ground vectors {data.dim}; name the "
            "tower that made them."
        )
    taxonomy = load_taxonomy(config.taxonomy) if config.taxonomy else taxonomy_from_phrases(config.prompts)
    for templates in config.templates:
        class_vectors(taxonomy, tower, templates)


def _stamp(store: SeriesStore) -> str:
    """Digest of the training places: another store of the same name gives another training."""
    digest = hashlib.sha256((store.folder / "index.parquet").read_bytes())
    digest.update(json.dumps(store.attributes, sort_keys=True, default=str).encode())
    return digest.hexdigest()
