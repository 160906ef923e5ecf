"""The demonstration finds what it simulated, from words alone."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from timesenclip.demo import PHRASES, run_demo
from timesenclip.simulate.scene import simulate_scene


def test_every_simulated_cover_has_a_phrase():
    scene = simulate_scene(rng=np.random.default_rng(7))
    covers = [cover for right in PHRASES.values() for cover in right]
    assert sorted(scene.cover_names) == sorted(covers)


def test_demo_finds_most_of_it_and_writes_picture_and_page(tmp_path: Path):
    steps: list[tuple[int, int]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run_demo(tmp_path / "demo", size=48, progress=lambda done, total: steps.append((done, total)))
    assert [row.phrase for row in result.found] == list(PHRASES)
    # Twelve phrases by chance: 0.08. The largest cover alone: about a quarter.
    assert result.agreement > 0.5
    assert steps[-1] == (48 * 48, 48 * 48)
    assert result.map.files["picture"].read_bytes().startswith(b"\x89PNG")
    page = result.map.files["page"].read_text(encoding="utf-8")
    assert all(phrase in page for phrase in ("maize", "water"))
    assert "http://" not in page.replace("http://www.w3.org/", "")  # stands alone: nothing is fetched
