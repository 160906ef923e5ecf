from __future__ import annotations

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.simulate.covers import cover_names, cover_weights
from timesenclip.simulate.series import simulate_series


@pytest.mark.parametrize("cover", cover_names())
def test_every_cover_can_be_simulated_within_physical_bounds(cover: str) -> None:
    made = simulate_series(12, rng=np.random.default_rng(0), covers=[cover])
    values = made.series.reflectance[made.series.valid]
    assert (values > 0).all()
    assert (values <= 1.2).all()
    assert made.series.valid.any(axis=1).all()
    assert set(made.cover) == {cover}


def test_bad_requests_are_refused() -> None:
    assert cover_weights().sum() == pytest.approx(1.0)
    with pytest.raises(InputError, match="Unknown cover"):
        simulate_series(3, rng=np.random.default_rng(0), covers=["moon"])
