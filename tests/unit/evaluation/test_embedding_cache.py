"""A set of series is embedded once, and its vectors are those of `embed`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.evaluation import embedding_cache
from timesenclip.evaluation.embedding_cache import EmbeddingCache
from timesenclip.model.checkpoint import load
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series

MODEL = load()


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many series were embedded, call by call."""
    calls: list[int] = []

    def counted(series: PixelSeries, **options: object) -> np.ndarray:
        calls.append(len(series))
        return embed(series, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(embedding_cache, "embed", counted)
    return calls


def test_the_same_set_is_embedded_once(embedded: list[int]) -> None:
    series = random_series(7, missing=0.5)
    series.valid[2] = False
    cache = EmbeddingCache(MODEL)
    expected = embed(series, model=MODEL, missing="nan")
    for same in (series, replace(series, valid=series.valid.copy(), sample_id=tuple("abcdefg"))):
        assert np.array_equal(cache.embed(same), expected, equal_nan=True)
    assert embedded == [7]
    with pytest.raises(ValueError, match="read-only"):
        cache.embed(series)[0] = 0


@pytest.mark.parametrize("field", ["reflectance", "valid", "start", "lat_deg"])
def test_another_set_is_embedded_anew(embedded: list[int], field: str) -> None:
    series = random_series(5, missing=0.0)
    changed = getattr(series, field).copy()
    changed[0] = {"reflectance": 0.5, "valid": np.arange(changed.shape[-1]) > 2}.get(field, changed[0] - 1)
    cache = EmbeddingCache(MODEL)
    cache.embed(series)
    cache.embed(replace(series, **{field: changed}))
    assert embedded == [5, 5]


def test_memory_is_limited_and_the_oldest_set_goes_first(embedded: list[int]) -> None:
    first, second = random_series(3), random_series(4)
    cache = EmbeddingCache(MODEL, most_mb=0.001)
    for series in (first, second, second, first):
        cache.embed(series)
    assert embedded == [3, 4, 3]


def test_series_that_differ_in_their_bands_only_are_two_sets(embedded: list[int]) -> None:
    series = random_series(3, missing=0)
    bands = np.ones(series.reflectance.shape, dtype=np.bool_)
    fewer = bands.copy()
    fewer[:, :6, 4] = False
    cache = EmbeddingCache(MODEL)
    for one in (bands, fewer, fewer.copy()):
        cache.embed(replace(series, band_valid=one))
    assert embedded == [3, 3]
