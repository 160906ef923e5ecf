"""Scenicness: how beautiful people find a place, predicted from prompts alone and by a ridge regression on embeddings.

The truth is the mean vote of ScenicOrNot (Great Britain, 1 to 10), one row for each place. The ridge regression is
tested on other blocks of land than those it was trained on; the one for maps (`timesenclip.mapping.score_map`) is
trained on all places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.evaluation.bootstrap import percentile_interval
from timesenclip.files import write_json, write_text
from timesenclip.messages import shorten_error
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.owned import claimed
from timesenclip.report.figure import ReportFigure, figure_files
from timesenclip.report.plots import scored_places
from timesenclip.series import PixelSeries
from timesenclip.spatial import spatial_blocks, spatial_folds
from timesenclip.tasks.scenic_score import BEAUTIFUL, UGLY, LinearScore, contrast_vector

SCENIC_FILES = ("scenic.json", "scenic.csv", *figure_files("scenic"))
"""Files of `write_scenicness`."""

__all__ = [
    "SCENIC_FILES",
    "Correlations",
    "Scenicness",
    "Votes",
    "correlations",
    "draw_scenicness",
    "evaluate_scenicness",
    "read_votes",
    "ridge_scores",
    "write_scenicness",
]

_COLUMNS = ("id", "lat", "lon", "average", "variance", "votes", "geograph uri")
_PENALTIES = np.geomspace(0.01, 100, 9)
_FOLDS = 4
_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes for N places."""

    sample_id: tuple[str, ...]
    """(N,) id of the place."""
    lat_deg: NDArray[np.float64]
    """(N,) latitude, EPSG:4326."""
    lon_deg: NDArray[np.float64]
    """(N,) longitude, EPSG:4326."""
    average: NDArray[np.float64]
    """(N,) mean vote, 1..10."""
    variance: NDArray[np.float64]
    """(N,) variance of the votes."""
    count: NDArray[np.int64]
    """(N,) number of votes."""


@dataclass(frozen=True, slots=True)
class Correlations:
    """Correlations of a score with the mean vote."""

    pearson: float
    """Pearson's r."""
    spearman: float
    """Spearman's rho."""
    kendall: float
    """Kendall's tau-b."""
    intervals: dict[str, tuple[float, float]]
    """95 % intervals by name, from a bootstrap over blocks of land; empty with a single block."""


@dataclass(frozen=True, slots=True)
class Scenicness:
    """Scores of places and their correlations with the votes."""

    count: int
    """Places with votes and a clear observation."""
    blocks: int
    """Number of blocks of land."""
    contrast: Correlations
    """Correlations of the prompt contrast, which uses no votes."""
    ridge: Correlations | None
    """Correlations of the ridge regression, tested on other blocks; None where all places lie in one block."""
    contrast_score: NDArray[np.float32]
    """(N,) cosine with the beautiful phrases minus cosine with the ugly ones."""
    ridge_score: NDArray[np.float64] | None
    """(N,) mean vote predicted by a ridge regression that was not trained on the fold of the place."""
    truth: NDArray[np.float64]
    """(N,) mean vote."""
    sample_id: tuple[str, ...]
    """(N,)"""
    rows: NDArray[np.int64]
    """(N,) row of each place in the series passed to `evaluate_scenicness`."""
    prompts: dict[str, tuple[str, ...]]
    """Phrases of the contrast: `beautiful` and `ugly`."""
    notes: tuple[str, ...]
    """What was left out, in sentences."""
    scores: tuple[LinearScore, ...]
    """For maps: a ridge regression that was trained on all places (untested where these lie in one block), and the
    contrast."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the scores of single places."""
        return {
            "count": self.count,
            "blocks": self.blocks,
            "contrast": asdict(self.contrast),
            "ridge": None if self.ridge is None else asdict(self.ridge),
            "prompts": self.prompts,
            "notes": list(self.notes),
        }


def read_votes(path: str | Path, *, least: int = 1) -> Votes:
    """Read the ScenicOrNot table: tab-separated `ID, Lat, Lon, Average, Variance, Votes, Geograph URI`.

    Args:
        path: the file.
        least: places with fewer votes are left out.

    Raises:
        DataNotFoundError: the file does not exist.
        InputError: the file is not such a table, a column is missing, a value is not a number, an id occurs twice, or
            no place has enough votes.
    """
    import pandas as pd

    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No votes at '{file}'; expected the tab-separated table of ScenicOrNot.")
    try:
        frame = pd.read_csv(file, sep="\t", dtype=str)
    except (ValueError, OSError) as error:  # pandas' parser errors and wrong encodings are ValueErrors
        raise InputError(
            f"'{file}' is no tab-separated text ({shorten_error(error)}); expected the table of ScenicOrNot."
        ) from error
    frame.columns = pd.Index([str(name).strip().lower() for name in frame.columns])
    missing = [name for name in _COLUMNS[:6] if name not in frame]
    if missing:
        raise InputError(
            f"'{file}' has no column '{missing[0]}'; expected tab-separated {', '.join(_COLUMNS)}, found "
            f"{', '.join(map(str, frame.columns))[:160]}."
        )
    try:
        numbers = frame[["lat", "lon", "average", "variance"]].astype(np.float64).to_numpy()
    except ValueError as error:
        raise InputError(f"'{file}': {shorten_error(error)}; expected numbers.") from error
    count = frame["votes"].fillna("").map(lambda text: len([v for v in text.replace(" ", "").split(",") if v]))
    keep = np.isfinite(numbers).all(axis=1) & (count.to_numpy() >= least)
    if not keep.any():
        raise InputError(f"'{file}': none of {len(frame)} places has {least} votes or more.")
    lat, lon, average, variance = numbers[keep].T
    names = tuple(frame["id"].astype(str)[keep])
    double = frame["id"][keep][frame["id"][keep].duplicated()]
    if len(double):
        raise InputError(
            f"'{file}': place '{double.iloc[0]}' has several rows ({len(double)} too many); keep one each."
        )
    return Votes(names, lat, lon, average, variance, count.to_numpy()[keep].astype(np.int64))


def ridge_scores(
    embeddings: NDArray[np.float32], votes: NDArray[np.float64], fold: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Predicted mean votes, (N,): each fold by a ridge regression on the others, with a penalty from leave-one-out.

    Returns:
        None where all places lie in one fold.
    """
    if len(np.unique(fold)) < 2:
        return None
    out = np.empty(len(votes))
    for part in np.unique(fold):
        test = fold == part
        out[test] = _ridge(embeddings[~test], votes[~test]).predict(embeddings[test].astype(np.float64))
    return out


def _ridge(embeddings: NDArray[np.float32], votes: NDArray[np.float64]) -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(_PENALTIES).fit(embeddings.astype(np.float64), votes)


def correlations(
    score: NDArray[np.floating], votes: NDArray[np.float64], block: NDArray[np.int64], *, seed: int = 0
) -> Correlations:
    """Pearson, Spearman and Kendall of a score with the votes, with intervals over blocks of land.

    Raises:
        InputError: fewer than three places, or one of the two is constant.
    """
    if len(votes) < 3 or np.ptp(votes) == 0 or np.ptp(score) == 0:
        what = "the votes are" if len(votes) and np.ptp(votes) == 0 else "the score is"
        reason = (
            f"only {len(votes)} places have both" if len(votes) < 3 else f"{what} the same at all {len(votes)} places"
        )
        raise InputError(f"No correlation of scores and votes: {reason}; give three places or more that differ.")
    whole = _three(score, votes)
    rows_of = [np.flatnonzero(block == b) for b in np.unique(block)]
    intervals: dict[str, tuple[float, float]] = {}
    if len(rows_of) > 1:
        rng, drawn = np.random.default_rng(seed), []
        for _ in range(_DRAWS):
            rows = np.concatenate([rows_of[i] for i in rng.integers(0, len(rows_of), len(rows_of))])
            if np.ptp(votes[rows]) > 0 and np.ptp(score[rows]) > 0:
                drawn.append(_three(score[rows], votes[rows]))
        spread = np.array(drawn)
        names = ("pearson", "spearman", "kendall")
        intervals = {name: percentile_interval(spread[:, i]) for i, name in enumerate(names)}
    return Correlations(*whole, intervals)


def evaluate_scenicness(
    series: PixelSeries,
    votes: Votes,
    *,
    model: Model,
    beautiful: Sequence[str] = BEAUTIFUL,
    ugly: Sequence[str] = UGLY,
    block_deg: float = 0.25,
    seed: int = 0,
) -> Scenicness:
    """Compare scores with votes at the places that have both a series and votes.

    Args:
        series: pixel series; `sample_id` is the ID of the votes.
        votes: from `read_votes`.
        model: the model.
        beautiful, ugly: phrases of the contrast.
        block_deg: side of a block of land in degrees.
        seed: seed of the bootstrap.

    Raises:
        InputError: fewer than three places have both series and votes, or all their votes are equal.
    """
    row = {name: i for i, name in enumerate(votes.sample_id)}
    mine = np.array([row.get(name, -1) for name in series.sample_id])
    keep = (mine >= 0) & series.valid.any(axis=1)
    if not keep.any():
        raise InputError(
            f"None of the {len(series)} series has votes (theirs: '{votes.sample_id[0]}', ours: "
            f"'{series.sample_id[0]}'); sample_id must be the ID of the votes."
        )
    notes = []
    if (~keep).any():
        notes.append(f"{int((~keep).sum())} of {len(series)} series have no votes, or were never seen clearly.")
    part, truth = series.take(keep), votes.average[mine[keep]]
    vectors = embed(part, model=model)
    block = spatial_blocks(lat_deg=votes.lat_deg[mine[keep]], lon_deg=votes.lon_deg[mine[keep]], block_deg=block_deg)
    contrast_of = LinearScore("prompt contrast", contrast_vector(model.tower, beautiful=beautiful, ugly=ugly), 0.0)
    contrast = contrast_of(vectors)
    whole = _ridge(vectors, truth)
    ridge_of = LinearScore("predicted mean vote", np.asarray(whole.coef_, np.float32), float(whole.intercept_))
    ridge = ridge_scores(vectors, truth, spatial_folds(block, folds=_FOLDS))
    if ridge is None:
        notes.append("All places lie in one block of land, so no ridge can be judged fairly.")
    return Scenicness(
        count=int(keep.sum()),
        blocks=len(np.unique(block)),
        contrast=correlations(contrast, truth, block, seed=seed),
        ridge=None if ridge is None else correlations(ridge, truth, block, seed=seed),
        contrast_score=contrast,
        ridge_score=ridge,
        truth=truth,
        sample_id=part.sample_id,
        rows=np.flatnonzero(keep),
        prompts={"beautiful": tuple(beautiful), "ugly": tuple(ugly)},
        notes=tuple(notes),
        scores=(ridge_of, contrast_of),
    )


def write_scenicness(found: Scenicness, series: PixelSeries, out: str | Path) -> dict[str, Path]:
    """Write scenic.json, the scores of every place (CSV), and a map of them as SVG and PDF.

    Args:
        found: from `evaluate_scenicness`.
        series: the series that were evaluated, for their coordinates.
        out: folder for the files.

    Raises:
        InputError: a file of these names is not ours.
    """
    from timesenclip.report.table import ReportTable

    folder = Path(out)
    lon, lat = series.lon_deg[found.rows], series.lat_deg[found.rows]
    ridge = found.ridge_score if found.ridge_score is not None else np.full(found.count, np.nan)
    cells = zip(found.sample_id, lat, lon, found.truth, found.contrast_score, ridge, strict=True)
    rows = tuple((name, *(float(value) for value in rest)) for name, *rest in cells)
    heads = ("sample_id", "lat", "lon", "mean vote", "prompt contrast", "ridge")
    with claimed(folder, "scenicness report", SCENIC_FILES, exclusive=False):
        draw_scenicness(found, series).save(folder)
        return {
            "json": write_json(folder / "scenic.json", found.to_dict(), shared=True),
            "scores": write_text(folder / "scenic.csv", ReportTable("scenic", "", heads, rows).to_csv(), shared=True),
            "map": folder / "scenic.svg",
        }


def draw_scenicness(found: Scenicness, series: PixelSeries) -> ReportFigure:
    """Votes and predictions on a map; the contrast where the ridge regression could not be tested."""
    shown = found.contrast_score if found.ridge_score is None else found.ridge_score
    panels = [("mean vote", found.truth), ("predicted", np.asarray(shown, np.float64))]
    lon, lat = series.lon_deg[found.rows], series.lat_deg[found.rows]
    return scored_places("scenic", "Votes and predicted scenicness on the map", lon, lat, panels)


def _three(score: NDArray[np.floating], votes: NDArray[np.float64]) -> tuple[float, float, float]:
    from scipy import stats

    found = (stats.pearsonr(score, votes), stats.spearmanr(score, votes), stats.kendalltau(score, votes))
    pearson, spearman, kendall = (float(one.statistic) for one in found)
    return pearson, spearman, kendall
