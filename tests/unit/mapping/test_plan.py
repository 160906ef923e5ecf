from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from timesenclip.eo.area import CubeInMemory, block_windows
from timesenclip.eo.composite import composite_cube
from timesenclip.eo.cube.open import open_cube
from timesenclip.eo.period import as_period
from timesenclip.errors import InputError
from timesenclip.mapping.plan import fitting_block, plan_area, sample_area
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_cube, write_netcdf_cube


def test_blocks_cover_every_pixel_once() -> None:
    seen = np.zeros((50, 70), dtype=int)
    for row, row_end, column, column_end in block_windows(seen.shape, 32):
        assert row % 32 == column % 32 == 0
        seen[row:row_end, column:column_end] += 1
    assert (seen == 1).all()


def test_small_areas_get_small_blocks_and_odd_blocks_are_refused() -> None:
    assert fitting_block((40, 70), 256) == 80
    assert fitting_block((4000, 70), 256) == 256
    with pytest.raises(InputError, match="Blocks of 250 pixels; give a multiple of 16"):
        fitting_block((40, 70), 250)


def test_a_plan_counts_what_will_be_read_and_written(tmp_path: Path) -> None:
    source = open_cube(write_netcdf_cube(random_cube((40, 60), dates=6), tmp_path / "cube"))
    threads = torch.get_num_threads()
    plan = plan_area(source, load(), dims=64, period=as_period("2021-01..2021-02"), every="month", block=32, workers=2)
    assert (plan.blocks, plan.pixels, plan.block) == (4, 2400, 32)
    # 7 and 27 January and 16 February: four bands at 10 m, six and SCL at 20 m, two bytes (SCL: one).
    assert plan.read_bytes == 3 * 2400 * (4 * 2 + 6 * 2 / 4 + 1 / 4)
    assert plan.output_bytes == int(2400 * (64 + 9) * 4 / 3)
    rate = 1 / (1 / plan.load_px_per_s + 1 / plan.embed_px_per_s)
    assert plan.hours == pytest.approx(2400 / rate / 2 / 3600)
    assert torch.get_num_threads() == threads
    with pytest.raises(InputError, match="0 workers"):
        plan_area(source, load(), dims=64, period=None, every="month", block=32, workers=0)


def test_a_sample_is_spread_over_the_area_and_leaves_out_what_was_not_seen(tmp_path: Path) -> None:
    cube = random_cube((48, 48), dates=3, cloudy=0.0)
    hidden = replace(cube, valid=cube.valid & (np.arange(48) >= 24))
    source = open_cube(write_netcdf_cube(hidden, tmp_path / "cube"), dilate_px=0)
    sample = sample_area(source, load(), period=None, every="month", block=16)
    assert sample.vectors.shape == (48 * 24, 256)
    assert np.allclose(np.linalg.norm(sample.vectors, axis=1), 1, atol=1e-5)
    nothing = replace(cube, valid=cube.valid & False)
    source = open_cube(write_netcdf_cube(nothing, tmp_path / "none"), dilate_px=0)
    assert len(sample_area(source, load(), period=None, every="month", block=16).vectors) == 0


def test_a_cube_in_memory_is_planned_without_bytes_to_read() -> None:
    source = CubeInMemory(composite_cube(random_cube((20, 30)), every="month"))
    plan = plan_area(source, load(), dims=256, period=None, every="month", block=32, workers=1)
    assert plan.read_bytes is None
    assert plan.inside == plan.pixels == 600


def test_workers_and_dimensions_that_cannot_be_are_refused() -> None:
    source = CubeInMemory(random_cube((20, 30)))
    how = {"period": None, "every": "month", "block": 32}
    with pytest.raises(InputError, match="300 dimensions were asked for"):
        plan_area(source, load(), dims=300, workers=1, **how)
    with pytest.raises(InputError, match="0 workers; expected 1 or more"):
        plan_area(source, load(), dims=64, workers=0, **how)
