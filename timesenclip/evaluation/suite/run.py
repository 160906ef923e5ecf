"""The evaluation suite: every experiment of the paper with one checkpoint on one labelled set.

`run_suite` runs them and writes `report.json`, `tables/` (CSV and LaTeX), `figures/` (SVG and PDF) and one
`report.html` without links to other files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip._version import __version__
from timesenclip.errors import InputError
from timesenclip.evaluation.baselines.external import ExternalModels, ExternalPredictions, predict_external
from timesenclip.evaluation.bootstrap import DRAWS
from timesenclip.evaluation.embedding_cache import EmbeddingCache
from timesenclip.evaluation.evaluate import compare_methods
from timesenclip.evaluation.few_shot import few_shot_curve
from timesenclip.evaluation.labels.ground_vectors import Ground, match_samples
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import Metrics
from timesenclip.evaluation.prompts import prompt_effects, prompt_sets
from timesenclip.evaluation.retrieval import Retrieval, nearest, retrieve
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.suite.report import report_files, write_report
from timesenclip.evaluation.temporal import (
    Length,
    coarsen,
    month_contribution,
    robustness,
    zero_shot_metrics,
)
from timesenclip.ground.prompts import DEFAULT, class_vectors, prompts_for
from timesenclip.messages import list_some
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.owned import require_own_names

__all__ = ["SuiteResult", "run_suite"]

_LENGTHS: tuple[Length, ...] = ("month", "quarter", "year")
_AT_MOST_FOR_MONTHS = 2000
_AT_MOST_QUERIES = 20_000
"""Queries drawn at random from a larger set, to limit time; all candidates are kept. `retrieve` itself has no limit."""
_NEIGHBOURS = 4
_EXAMPLES = 6

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """Results, and the files they were written to."""

    findings: Findings
    """All of it."""
    report: dict[str, Any]
    """As in report.json."""
    files: dict[str, Path]
    """`report` (HTML), `json`, `tables` and `figures` (folders)."""


def run_suite(
    model: Model | str | Path | None,
    data: LabelledSet,
    *,
    out: str | Path,
    ground: Ground | None = None,
    templates: str | Sequence[str] = DEFAULT,
    title: str | None = None,
    notes: Sequence[str] = (),
    seed: int = 0,
    draws: int = DRAWS,
    external: ExternalModels | None = None,
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> SuiteResult:
    """Run every experiment of the suite and write the report.

    Args:
        model: a model or a checkpoint's name; None: the shipped one.
        data: labelled samples, from `labelled_points` or `labelled_cube`.
        out: folder for the report; it is created, and files of an earlier report are replaced.
        ground: embedded photographs, for retrieval between the streams.
        templates: prompt templates, see `prompts_for`.
        title: heading; default: the title of the taxonomy, or the phrases.
        notes: sentences for the head of the report, such as whether the checkpoint was trained on these places.
        seed: seed of every random choice.
        draws: draws of the bootstrap.
        external: models of others to compare with.
        cache: embeddings of the same model, to share between several runs on the same places; default: an empty one.
        progress: called with (done, all) parts of the suite.

    Raises:
        InputError: no photograph belongs to a sample, photographs and checkpoint differ in dimension, or the cache
            belongs to another model; or a file of the report would replace one that is not ours.
        CheckpointError: the weights for Presto are not those of a Presto model.
        TimeError: a series spans more months than Presto reads.
    """
    require_own_names(out, "suite report", report_files())
    chosen = as_model(model)
    if cache is not None and cache.model is not chosen:
        raise InputError(f"The cache holds embeddings of '{cache.model.config.name}'; give one of the model itself.")
    if ground is not None:  # wrong photographs are refused before the work, not after it
        match_samples(ground, data.series.sample_id, chosen.config.tower.dim)
    others = predict_external(data, external or ExternalModels(), templates=templates)
    findings = _find(
        chosen,
        data,
        ground,
        templates,
        title,
        [*notes, *others.notes],
        seed,
        draws,
        others,
        cache or EmbeddingCache(chosen),
        progress or (lambda done, of: None),
    )
    report, files = write_report(findings, Path(out))
    return SuiteResult(findings, report, files)


def _find(
    model: Model,
    data: LabelledSet,
    ground: Ground | None,
    templates: str | Sequence[str],
    title: str | None,
    notes: Sequence[str],
    seed: int,
    draws: int,
    others: ExternalPredictions,
    cache: EmbeddingCache,
    progress: Progress,
) -> Findings:
    parts = 8
    progress(0, parts)
    weights = class_vectors(data.taxonomy, model.tower, templates)
    embeddings = cache.embed(data.series)
    calibration = model.config.calibration
    comparison = compare_methods(
        data,
        embeddings,
        weights,
        temperature=calibration.temperature,
        unknown_score=calibration.unknown_score,
        seed=seed,
        draws=draws,
        others=others.features,
        asked=others.scores,
    )
    progress(1, parts)
    sets = prompt_sets(data, embeddings, model.tower, seed=seed)
    effects = prompt_effects(data, embeddings, model.tower, templates=templates)
    progress(2, parts)
    found = _retrievals(data, embeddings, weights, ground, seed, draws)
    progress(3, parts)
    shots = few_shot_curve(data, embeddings, weights, seed=seed)
    progress(4, parts)
    some = data
    if len(data) > _AT_MOST_FOR_MONTHS:
        pick = np.random.default_rng(seed).permutation(len(data))[:_AT_MOST_FOR_MONTHS]
        some = data.take(np.sort(pick))
    steps = int(some.series.valid.sum(axis=1).max())
    kept = robustness(some, weights, model=model, kept=tuple(range(min(steps, 12), 0, -1)), seed=seed, cache=cache)
    progress(5, parts)
    lengths: dict[str, Metrics] = {
        name: zero_shot_metrics(
            data, coarsen(data.series, name), weights, model=model, draws=draws, seed=seed, cache=cache
        )
        for name in _LENGTHS
    }
    progress(6, parts)
    months = month_contribution(some, weights, model=model, seed=seed)
    progress(7, parts)
    about = _about(model, data, templates, notes, seed, draws, months_of=len(some))
    near = _neighbours(data, embeddings)
    progress(8, parts)
    heading = title or _heading(data)
    return Findings(
        heading, data, embeddings, weights, comparison, sets, effects, found, shots, kept, lengths, months, near, about
    )


def _retrievals(
    data: LabelledSet,
    embeddings: NDArray[np.float32],
    weights: NDArray[np.float32],
    ground: Ground | None,
    seed: int,
    draws: int,
) -> list[Retrieval]:
    names, truth, ids = data.taxonomy.names, data.truth, data.series.sample_id
    kinds = np.arange(len(names))
    asked = _some(len(data), seed)
    numbers = [str(i) for i in range(len(data))]
    out = [
        retrieve(
            weights, embeddings, direction="text -> satellite", query_class=kinds, candidate_class=truth, names=names
        ),
        retrieve(
            embeddings[asked],
            embeddings,
            direction="satellite -> satellite",
            query_class=truth[asked],
            candidate_class=truth,
            query_id=[numbers[i] for i in asked],
            candidate_id=numbers,
            own="exclude",
            names=names,
            query_block=data.block[asked],
            draws=draws,
            seed=seed,
        ),
    ]
    if ground is None:
        return out
    mine = match_samples(ground, ids, embeddings.shape[1])
    photos, photo_class = ground.vectors[mine >= 0], truth[mine[mine >= 0]]
    photo_id = [ids[i] for i in mine[mine >= 0]]
    sides = {
        "satellite": (embeddings, truth, ids, data.block),
        "ground": (photos, photo_class, photo_id, data.block[mine[mine >= 0]]),
    }
    for one, other in (("satellite", "ground"), ("ground", "satellite")):
        (x, x_class, x_id, x_block), (y, y_class, y_id, _) = sides[one], sides[other]
        asked = _some(len(x), seed)
        out.append(
            retrieve(
                x[asked],
                y,
                direction=f"{one} -> {other}",
                query_class=x_class[asked],
                candidate_class=y_class,
                names=names,
                query_id=[x_id[i] for i in asked],
                candidate_id=y_id,
                query_block=x_block[asked],
                draws=draws,
                seed=seed,
            )
        )
    return out


def _heading(data: LabelledSet) -> str:
    if data.taxonomy.source or data.taxonomy.title != "Phrases of the user":
        return data.taxonomy.title
    return list_some(data.taxonomy.names, 4, separator=", ")


def _some(count: int, seed: int) -> NDArray[np.intp]:
    """Row numbers: all of `count`, or a sample of `_AT_MOST_QUERIES` of them."""
    if count <= _AT_MOST_QUERIES:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:_AT_MOST_QUERIES])


def _neighbours(data: LabelledSet, embeddings: NDArray[np.float32]) -> list[tuple[int, list[int]]]:
    """The sample nearest to the mean of each frequent class, with its nearest neighbours in other blocks of land."""
    count = np.bincount(data.truth)
    out = []
    for k in np.argsort(-count, kind="stable")[:_EXAMPLES]:
        mine = np.flatnonzero(data.truth == k)
        if not len(mine):
            continue
        middle = embeddings[mine].mean(axis=0)
        pick = int(mine[(embeddings[mine] @ middle).argmax()])
        others = np.flatnonzero(data.block != data.block[pick])
        if not len(others):
            continue
        index, _ = nearest(embeddings[pick : pick + 1], embeddings[others], k=min(_NEIGHBOURS, len(others)))
        out.append((pick, [int(others[i]) for i in index[0]]))
    return out


def _about(
    model: Model,
    data: LabelledSet,
    templates: str | Sequence[str],
    notes: Sequence[str],
    seed: int,
    draws: int,
    *,
    months_of: int,
) -> dict[str, Any]:
    import sklearn
    import torch

    return {
        "timesenclip": __version__,
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "scikit-learn": sklearn.__version__},
        "checkpoint": {"name": model.config.name, "digest": model.digest, "tower": model.config.tower.name},
        "calibration": model.config.calibration.model_dump(),
        "taxonomy": data.taxonomy.name,
        "templates": templates,
        "prompts": {taxon.name: prompts_for(taxon, templates) for taxon in data.taxonomy.classes},
        "seed": seed,
        "draws": draws,
        "blocks": len(np.unique(data.block)),
        "split": data.split,
        "samples_for_months": months_of,
        "notes": list(notes),
        "input": dict(data.series.provenance),
    }
