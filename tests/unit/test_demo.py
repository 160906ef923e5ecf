"""What is asked in the demonstration; tests/integration/test_demo.py runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip import demo
from timesenclip.simulate.covers import cover_names
from timesenclip.simulate.scene import simulate_scene


def test_every_simulated_cover_has_one_phrase() -> None:
    scene = simulate_scene(rng=np.random.default_rng(0), size=32)
    covers = [cover for covers in demo.PHRASES.values() for cover in covers]
    assert len(covers) == len(set(covers))
    assert set(scene.cover_names) <= set(covers) <= set(cover_names())
    assert demo.DEMO_CLASSES.names == tuple(demo.PHRASES)


def test_the_true_value_of_a_pixel_is_the_place_of_its_phrase() -> None:
    scene = simulate_scene(rng=np.random.default_rng(0), size=32)
    values = demo._true_values(scene)
    phrases = list(demo.PHRASES)
    assert values.shape == scene.cover.shape
    for value in np.unique(values):
        covers = {scene.cover_names[i] for i in np.unique(scene.cover[values == value])}
        assert covers <= set(demo.PHRASES[phrases[value - 1]])


def test_a_small_demonstration_finds_what_it_counts(tmp_path: Path) -> None:
    found = demo.run_demo(tmp_path, size=32)
    assert [one.phrase for one in found.found] == list(demo.PHRASES)
    assert sum(one.share for one in found.found) <= 1 + 1e-9
    hits = [one.precision * one.share for one in found.found if one.share]
    assert sum(hits) == pytest.approx(found.agreement)
