"""Real points, split by place."""

from __future__ import annotations

import numpy as np

from timesenclip.train.field_notes.worldcereal import spatial_part


def test_neighbours_share_a_part() -> None:
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-60, 60, 500), rng.uniform(-180, 180, 500)
    part = spatial_part(lat, lon)
    assert set(part) == {"train", "calibrate", "test"}
    inside = np.floor(lat / 0.25) * 0.25 + 0.01, np.floor(lon / 0.25) * 0.25 + 0.2
    assert np.array_equal(spatial_part(*inside), part)
