"""Tables of points, and how their series are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from timesenclip.series import PixelSeries
from timesenclip.testing import random_series, write_wide_table


def assert_equal(a: PixelSeries, b: PixelSeries) -> None:
    assert a.sample_id == b.sample_id
    for name in ("reflectance", "valid", "start", "end", "lon_deg", "lat_deg"):
        assert np.allclose(getattr(a, name).astype(float), getattr(b, name).astype(float), atol=1e-6), name


def wide_frame(tmp_path: Path, **options: float) -> pd.DataFrame:
    return pd.read_parquet(write_wide_table(random_series(3, **options), tmp_path / "x.parquet"))
