from __future__ import annotations

import numpy as np

from timesenclip.simulate.scene import simulate_scene


def test_a_scene_is_a_map_with_its_truth() -> None:
    scene = simulate_scene(rng=np.random.default_rng(0), size=48)
    assert scene.cube.shape == scene.cover.shape == (48, 48)
    assert scene.cube.crs == "EPSG:32632"
    assert scene.cover.max() < len(scene.cover_names)
    assert 0.7 < scene.cube.valid.mean() < 1
    lat = scene.cube.pixel_series().lat_deg
    assert abs(lat.mean() - 47.5) < 0.1
