"""How good a checkpoint is on regions that it has not seen, measured by folds.

A fold is a checkpoint of the same recipe whose `world.leave_out` names regions. Each fold is asked about the regions
that it has not seen; what was fitted for confidence and `unknown` comes from the other regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import Outliers
from timesenclip.errors import InputError
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.model.checkpoint import Model, load
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.train.field_notes.conditions import (
    CLOUDY_SHARE,
    NO_PLACES,
    SENSOR_TITLES,
    no_place,
    with_clouds,
    without_bands,
)
from timesenclip.train.field_notes.forests import elsewhere, same_region
from timesenclip.train.field_notes.patch import PATCH_FOLDER, PATCH_REGION, PatchResult, measure_patch
from timesenclip.train.field_notes.questions import (
    WORDINGS,
    Asked,
    ask_finer,
    ask_land_cover,
    finer_truth,
)
from timesenclip.train.field_notes.real_sets import REGIONS, RealSet, read_real_sets
from timesenclip.train.field_notes.region_calibration import (
    RegionCalibration,
    Scored,
    fit,
    left_one_out,
    pooled_errors,
)
from timesenclip.train.field_notes.region_results import TaskResult, balanced_accuracy, measure_task

__all__ = ["FINER", "LAND_COVER_TASK", "Condition", "Fold", "HowGood", "answers_of", "load_folds", "measure_regions"]

LAND_COVER_TASK, FINER = "land cover", "crops or finer kinds"
"""Names of the two questions."""
_SEED = 0
_NOTHING = 300  # series of each kind of no place


@dataclass(frozen=True, slots=True)
class Fold:
    """A checkpoint that has not seen some regions."""

    name: str
    """Its number and the first digits of the SHA-256 of its weights."""
    model: Model
    """The checkpoint."""
    leave_out: tuple[str, ...]
    """Regions that it has not seen."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Balanced accuracy of land cover under one condition."""

    title: str
    """What was changed."""
    regions: dict[str, float]
    """Balanced accuracy by region, every place answered."""

    @property
    def mean(self) -> float:
        """Mean over the regions."""
        return float(np.mean(list(self.regions.values())))


@dataclass(frozen=True, slots=True)
class HowGood:
    """Everything that was measured."""

    folds: tuple[Fold, ...]
    """The folds."""
    sets: tuple[tuple[str, str, int, int], ...]
    """Region, title, places and labelled places of each set that was read."""
    tasks: tuple[TaskResult, ...]
    """Results by region and question."""
    patch: PatchResult | None
    """The labelled patch; None where there is none, or no fold has left out its region."""
    bands: tuple[Condition, ...]
    """With fewer bands, in regions that have all ten."""
    clouds: tuple[Condition, ...]
    """With clouds that no mask has found."""
    calibration: tuple[RegionCalibration, ...]
    """Calibration by region and wording."""
    pooled: dict[str, float]
    """Calibration error over all regions together, each counting the same, by wording; fitted on the others of each."""
    fitted: Calibration
    """What was fitted on all left-out regions together."""
    nothing: dict[str, float]
    """Share of `unknown` among series that show no place, by kind."""
    not_measured: tuple[str, ...]
    """Regions with a set that no fold has left out, or that have no labels."""

    def of(self, task: str) -> list[TaskResult]:
        """The results of one question."""
        return [result for result in self.tasks if result.task == task]


@dataclass(frozen=True, slots=True)
class _Region:
    """A left-out region with the fold that is asked about it."""

    real: RealSet
    fold: Fold
    vectors: NDArray[np.float32]  # (N, D)

    def scores(self, taxonomy: Taxonomy) -> NDArray[np.float32]:
        return np.asarray(self.vectors @ class_vectors(taxonomy, self.fold.model.tower).T)


def load_folds(folders: Sequence[str | Path]) -> tuple[Fold, ...]:
    """Read the checkpoints of folds.

    Raises:
        CheckpointError: there is no such checkpoint.
        InputError: a checkpoint was trained without naming regions that it left out.
    """
    folds: list[Fold] = []
    for folder in folders:
        model = load(folder)
        recipe = model.config.training.get("recipe", {})
        world = recipe.get("world", {}) if isinstance(recipe, dict) else {}
        left_out = tuple(world.get("leave_out", ()))
        if not left_out:
            raise InputError(
                f"'{folder}' names no region that it has not seen; expected a checkpoint that was trained with "
                "--set world.leave_out=[REGION, ...]."
            )
        unknown = [name for name in left_out if name not in REGIONS]
        if unknown:
            raise InputError(f"'{folder}' left out '{unknown[0]}'; expected regions among {', '.join(REGIONS)}.")
        folds.append(Fold(f"fold {len(folds) + 1} ({model.digest})", model, left_out))
    return tuple(folds)


def measure_regions(
    folds: tuple[Fold, ...], folder: str | Path, *, progress: Callable[[str], object] | None = None
) -> HowGood:
    """Measure everything.

    Args:
        folds: as `load_folds`.
        folder: the real sets, as `read_real_sets`.
        progress: called with what is done next.

    Raises:
        InputError: no region that a fold has left out has a set with labels.
        DataNotFoundError: as `read_real_sets`.
    """
    say = progress or (lambda _: None)
    say("reading the real sets")
    sets = read_real_sets(folder, outliers="drop")  # as every command reads
    labelled = {real.region: real for real in sets if (real.mixture.sum(axis=1) > 0).any()}
    regions = []
    for name, real in labelled.items():
        fold = next((fold for fold in folds if name in fold.leave_out), None)
        if fold is not None and len(ask_land_cover(real).used):
            say(f"asking {fold.name} about {name}")
            regions.append(_Region(real, fold, embed(real.series, model=fold.model)))
    if not regions:
        raise InputError(f"No set in '{folder}' is of a region that a fold has left out; nothing can be measured.")
    scored = [
        _scored(region, wording, ask_land_cover(region.real, wording)) for region in regions for wording in WORDINGS
    ]
    calibration = left_one_out(scored)
    thresholds = {row.region: row.fitted.unknown_score for row in calibration}
    tasks = []
    for region in regions:
        say(f"training forests for {region.real.region}")
        tasks += _tasks(region, list(labelled.values()), thresholds[region.real.region])
    say("bands and clouds")
    fitted = fit(scored)
    measured = {region.real.region for region in regions}
    return HowGood(
        folds=folds,
        sets=tuple((r.region, r.title, len(r), int((r.mixture.sum(axis=1) > 0).sum())) for r in sets),
        tasks=tuple(tasks),
        patch=_patch(folds, Path(folder), fitted, say),
        bands=_by_bands(regions),
        clouds=_by_clouds(regions),
        calibration=tuple(calibration),
        pooled=pooled_errors(scored),
        fitted=fitted,
        nothing=_nothing(regions, fitted),
        not_measured=tuple(dict.fromkeys(real.region for real in sets if real.region not in measured)),
    )


def answers_of(model: Model, folder: str | Path) -> list[Scored]:
    """Cosines of a checkpoint with the classes of every question about every region, whether it has seen it or not.

    Args:
        model: the checkpoint.
        folder: the real sets, as `read_real_sets`.

    Raises:
        DataNotFoundError, InputError: as `read_real_sets`.
    """
    fold = Fold("shipped", model, ())
    out: list[Scored] = []
    for real in read_real_sets(folder, outliers="drop"):
        if not (real.mixture.sum(axis=1) > 0).any():
            continue
        region = _Region(real, fold, embed(real.series, model=model))
        finer = ask_finer(real)
        questions = [(wording, ask_land_cover(real, wording)) for wording in WORDINGS]
        for name, asked in [*questions, *([("finer", finer)] if finer is not None else [])]:
            if len(asked.used):
                out.append(_scored(region, name, asked))
    return out


def _scored(region: _Region, name: str, asked: Asked) -> Scored:
    scores = region.scores(asked.taxonomy)[asked.used].astype(np.float64)
    return Scored(region.real.region, name, scores, asked.truth[asked.used])


def _tasks(region: _Region, labelled: list[RealSet], unknown_score: float | None) -> list[TaskResult]:
    """Both questions in a region, with their forests."""
    seen = [real for real in labelled if real.region not in region.fold.leave_out]
    cover = ask_land_cover(region.real)
    questions = [(LAND_COVER_TASK, cover, [ask_land_cover(real, fewest=1).truth for real in seen])]
    finer = ask_finer(region.real)
    if finer is not None:
        questions.append((FINER, finer, [finer_truth(real, finer.taxonomy.names) for real in seen]))
    return [_task(region, task, asked, seen, truths, unknown_score) for task, asked, truths in questions]


def _task(
    region: _Region,
    task: str,
    asked: Asked,
    seen: list[RealSet],
    truths: list[NDArray[np.int64]],
    unknown_score: float | None,
) -> TaskResult:
    series = region.real.series
    others = [(real.series, truth) for real, truth in zip(seen, truths, strict=True)]
    return measure_task(
        series,
        asked,
        region.scores(asked.taxonomy),
        region=region.real.region,
        title=region.real.title,
        task=task,
        unknown_score=unknown_score,
        elsewhere=elsewhere(series, asked.truth, others, seed=_SEED),
        same=same_region(series, asked.truth, classes=len(asked.taxonomy), seed=_SEED),
    )


def _balanced(region: _Region, changed: PixelSeries, *, outliers: Outliers = "drop") -> float:
    """Balanced accuracy of land cover for changed series, every place answered; one without a step is wrong."""
    asked = ask_land_cover(region.real)
    model = region.fold.model
    vectors = embed(changed.take(asked.used), model=model, missing="nan", outliers=outliers)
    scores = vectors @ class_vectors(asked.taxonomy, model.tower).T
    answer = np.where(np.isfinite(scores).all(axis=1), np.nan_to_num(scores).argmax(axis=1), -1)
    return balanced_accuracy(asked.truth[asked.used], answer)


def _by_bands(regions: list[_Region]) -> tuple[Condition, ...]:
    """With the bands of each sensor, in regions that have all ten; empty where a fold needs all bands."""
    ten = [r for r in regions if r.real.series.bands_seen().any(axis=(0, 1)).all()]
    if not ten or not all(region.fold.model.encoder.config.band_mask for region in ten):
        return ()
    return tuple(
        Condition(title, {r.real.region: _balanced(r, without_bands(r.real.series, name)) for r in ten})
        for name, title in SENSOR_TITLES.items()
    )


def _by_clouds(regions: list[_Region]) -> tuple[Condition, ...]:
    """With cloudy months, as they are and after the filter of outlying months."""
    clouded = {r.real.region: with_clouds(r.real.series, rng=np.random.default_rng(_SEED)) for r in regions}
    cloudy = f"{CLOUDY_SHARE:.0%} of the months cloudy"
    rows: dict[str, Callable[[_Region], float]] = {
        "as read": lambda r: _balanced(r, r.real.series),
        f"{cloudy}, outlying months kept": lambda r: _balanced(r, clouded[r.real.region], outliers="keep"),
        f"{cloudy}, outlying months left out": lambda r: _balanced(r, clouded[r.real.region]),
    }
    return tuple(Condition(title, {r.real.region: found(r) for r in regions}) for title, found in rows.items())


def _nothing(regions: list[_Region], fitted: Calibration) -> dict[str, float]:
    """Share of `unknown` among series that show no place, mean over the folds."""
    threshold = -1.0 if fitted.unknown_score is None else fitted.unknown_score
    out = {}
    for kind in NO_PLACES:
        shares = []
        for region in {r.fold.name: r for r in regions}.values():
            rng = np.random.default_rng(_SEED)
            made = no_place(region.real.series.take(slice(0, _NOTHING)), kind, rng=rng)
            model = region.fold.model
            words = class_vectors(ask_land_cover(region.real).taxonomy, model.tower)
            shares.append(float(((embed(made, model=model) @ words.T).max(axis=1) < threshold).mean()))
        out[kind] = float(np.mean(shares))
    return out


def _patch(
    folds: tuple[Fold, ...], folder: Path, fitted: Calibration, say: Callable[[str], object]
) -> PatchResult | None:
    fold = next((fold for fold in folds if PATCH_REGION in fold.leave_out), None)
    if fold is None or not (folder / PATCH_FOLDER).is_dir():
        return None
    say("the Flanders patch")
    return measure_patch(fold.model, folder / PATCH_FOLDER, fitted, seed=_SEED)
