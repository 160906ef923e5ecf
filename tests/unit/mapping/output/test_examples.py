from __future__ import annotations

import numpy as np

from timesenclip.bands import band_index
from timesenclip.mapping.output.class_map import TypicalPixel
from timesenclip.mapping.output.examples import Examples
from timesenclip.mapping.query import Query
from timesenclip.model.checkpoint import Model
from timesenclip.tasks.classify import classify
from timesenclip.testing import random_series


def test_the_most_frequent_classes_are_explained_by_the_block_that_has_most_of_them(query: Query, model: Model) -> None:
    series = random_series(4)
    pixels = [series.take(np.array([i])) for i in range(4)]
    examples = Examples()
    examples.add({0: TypicalPixel(3, pixels[0]), 2: TypicalPixel(9, pixels[1])})
    examples.add({0: TypicalPixel(5, pixels[2]), 2: TypicalPixel(9, pixels[3])})
    counts = np.array([8, 0, 18, 100])
    shown = examples.explained(counts, query, model)
    assert [example.name for example in shown] == ["water", "maize"]
    assert [example.name for example in examples.explained(counts, query, model, most=1)] == ["water"]
    water, maize = shown
    for example, pixel in ((water, pixels[1]), (maize, pixels[2])):  # of equal blocks the first
        k = query.taxonomy.names.index(example.name)
        expected = classify(pixel, query.taxonomy, model=model).probabilities[0, k]
        assert np.isclose(example.confidence, expected, atol=1e-6)
        valid = pixel.valid[0]
        assert [value is not None for value in example.ndvi] == valid.tolist()
        assert [value is not None for value in example.contribution] == valid.tolist()
        red, nir = (pixel.reflectance[0, valid, band_index(name)] for name in ("red", "nir"))
        assert np.allclose([v for v in example.ndvi if v is not None], (nir - red) / (nir + red), atol=1e-5)
        assert example.dates[0] == str(pixel.start[0, 0])


def test_without_pixels_there_are_no_examples(query: Query, model: Model) -> None:
    assert Examples().explained(np.zeros(4, dtype=np.int64), query, model) == ()
