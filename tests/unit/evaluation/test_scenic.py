from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge, RidgeCV

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.evaluation.scenic import correlations, evaluate_scenicness, read_votes, ridge_scores, write_scenicness
from timesenclip.model.checkpoint import load
from timesenclip.model.embed import embed
from timesenclip.tasks.scenic_score import prompt_contrast
from timesenclip.testing import random_series

HEAD = "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\n"


def _votes(path: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        given = rng.integers(1, 11, 3 + i % 3)
        rows.append(
            f"{i}\t{50 + 0.1 * i}\t{-2 - 0.05 * i}\t{given.mean():.4f}\t{given.var():.4f}\t"
            f"{','.join(map(str, given))}\thttp://www.geograph.org.uk/photo/{i}\n"
        )
    path.write_text(HEAD + "".join(rows))
    return path


def test_the_votes_table_is_read_as_published(tmp_path: Path) -> None:
    votes = read_votes(_votes(tmp_path / "votes.tsv", 9))
    assert votes.sample_id == tuple(map(str, range(9)))
    assert votes.lat_deg[3] == pytest.approx(50.3)
    assert votes.count.tolist() == [3, 4, 5] * 3
    assert len(read_votes(tmp_path / "votes.tsv", least=5).sample_id) == 3
    with pytest.raises(InputError, match="none of 9 places"):
        read_votes(tmp_path / "votes.tsv", least=50)
    with pytest.raises(DataNotFoundError):
        read_votes(tmp_path / "nothing.tsv")
    first, *rest = (tmp_path / "votes.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "twice.tsv").write_text("".join([first, *rest, rest[4]]))
    with pytest.raises(InputError, match=r"place '4' has several rows \(1 too many\)"):
        read_votes(tmp_path / "twice.tsv")
    (tmp_path / "binary.tsv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(InputError, match="is no tab-separated text"):
        read_votes(tmp_path / "binary.tsv")
    (tmp_path / "comma.tsv").write_text("ID,Lat,Lon\n1,2,3\n")
    with pytest.raises(InputError, match="no column 'id'"):
        read_votes(tmp_path / "comma.tsv")
    (tmp_path / "text.tsv").write_text(HEAD + "1\tnorth\t3\t4\t1\t3,4\tx\n")
    with pytest.raises(InputError, match="expected numbers"):
        read_votes(tmp_path / "text.tsv")


def test_correlations_equal_scipy_and_their_intervals_hold_them() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=200)
    score = truth + rng.normal(size=200)
    block = np.arange(200) // 10
    found = correlations(score, truth, block)
    assert found.pearson == pytest.approx(stats.pearsonr(score, truth).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(score, truth).statistic)
    assert found.kendall == pytest.approx(stats.kendalltau(score, truth).statistic)
    for name, (low, high) in found.intervals.items():
        assert low < getattr(found, name) < high
    assert correlations(score, truth, block * 0).intervals == {}
    with pytest.raises(InputError, match="the score is the same at all 200 places"):
        correlations(np.ones(200), truth, block)


def test_a_ridge_is_judged_on_folds_it_did_not_see() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(120, 5)).astype(np.float32)
    fold = np.arange(120) % 4
    votes = x @ np.array([1.0, -1, 0, 0, 2]) + rng.normal(scale=0.1, size=120)
    found = ridge_scores(x, votes, fold)
    assert found is not None
    assert np.corrcoef(found, votes)[0, 1] > 0.98
    one = Ridge(0.01).fit(x[fold != 2].astype(float), votes[fold != 2]).predict(x[fold == 2])
    assert found[fold == 2] == pytest.approx(one, abs=0.1)
    only_fold = ridge_scores(x, fold.astype(float), fold)  # what differs between folds only cannot be learned
    assert only_fold is not None
    assert np.corrcoef(only_fold, fold)[0, 1] < 0
    assert ridge_scores(x, votes, fold * 0) is None


def test_scenicness_of_places_that_both_sides_have(tmp_path: Path) -> None:
    model = load()
    votes = read_votes(_votes(tmp_path / "votes.tsv", 40))
    series = replace(random_series(50), sample_id=tuple(map(str, range(5, 55))))
    found = evaluate_scenicness(series, votes, model=model)
    assert found.count == 35
    assert "15 of 50" in found.notes[0]
    assert found.ridge is not None
    assert found.blocks > 8
    files = write_scenicness(found, series, tmp_path / "out")
    assert len(files["scores"].read_text().splitlines()) == 36
    assert files["map"].read_text().startswith("<?xml")
    vectors = embed(series.take(found.rows), model=model)
    ridge, contrast_score = found.scores
    assert contrast_score(vectors) == pytest.approx(found.contrast_score, abs=1e-5)
    learned = RidgeCV(np.geomspace(0.01, 100, 9)).fit(vectors.astype(np.float64), found.truth)
    assert ridge(vectors) == pytest.approx(learned.predict(vectors.astype(np.float64)), abs=1e-3)
    twins = replace(series, sample_id=("7", "7", "8", "9", *("x",) * 46))  # an id that comes twice keeps its own place
    both = evaluate_scenicness(twins, votes, model=model)
    lines = write_scenicness(both, twins, tmp_path / "twins")["scores"].read_text().splitlines()[1:3]
    assert [float(line.split(",")[1]) for line in lines] == series.lat_deg[:2].tolist()
    sides = model.tower.encode_text(["a lake", "a factory"])
    contrast = prompt_contrast(sides, model.tower, beautiful=["a lake"], ugly=["a factory"])
    assert contrast[0] > 0 > contrast[1]
    with pytest.raises(InputError, match="None of the 50 series has votes"):
        evaluate_scenicness(replace(series, sample_id=tuple("x" * 50)), votes, model=model)
