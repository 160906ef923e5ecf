from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from timesenclip.eo.cube import strips
from timesenclip.eo.cube.open import open_cube
from timesenclip.eo.cube.strips import date_runs, pieces
from timesenclip.grid import Window
from timesenclip.testing import random_cube, write_netcdf_cube, write_zarr_cube

SLOT = np.repeat(np.arange(4), [3, 1, 0, 5]).astype(np.intp)


@pytest.mark.parametrize(("budget", "lengths"), [(10_000, [9]), (4 * 6, [4, 5]), (5 * 6, [4, 5]), (1, [3, 1, 5])])
def test_runs_hold_whole_intervals(budget: int, lengths: list[int]) -> None:
    runs = list(date_runs(SLOT, pixels=2, bytes_each=3, budget=budget))
    assert [run.stop - run.start for run in runs] == lengths
    assert np.concatenate([SLOT[run] for run in runs]).tolist() == SLOT.tolist()


@given(
    rows=some.integers(1, 40),
    columns=some.integers(1, 40),
    most=some.integers(1, 5_000),
    chunk=some.tuples(some.integers(1, 30), some.integers(1, 40), some.integers(1, 40)),
)
def test_pieces_cover_the_box_once_and_keep_to_the_budget(
    rows: int, columns: int, most: int, chunk: tuple[int, int, int]
) -> None:
    box = Window(3, 3 + rows, 5, 5 + columns)
    seen = np.zeros((60, 60), dtype=int)
    for piece in pieces(box, SLOT, bytes_each=2, chunk=chunk, budget=2 * most):
        seen[piece.slices] += 1
        assert piece.pixels == 1 or piece.pixels * 5 <= most  # 5: dates of the longest interval
    assert seen[box.slices].min() == 1
    assert seen.sum() == box.pixels


def test_a_box_within_the_budget_is_read_at_once() -> None:
    box = Window(0, 64, 0, 64)
    slot = np.repeat(np.arange(12), 10).astype(np.intp)
    assert pieces(box, slot, bytes_each=36, chunk=(120, 64, 64)) == [box]
    assert list(date_runs(slot, pixels=box.pixels, bytes_each=36)) == [slice(0, 120)]


def test_long_chunks_are_not_unpacked_again_for_every_run_of_dates() -> None:
    slot = np.repeat(np.arange(36), 10).astype(np.intp)
    found = pieces(Window(0, 512, 0, 512), slot, bytes_each=36, chunk=(360, 64, 64))
    assert all(piece.row % 64 == 0 and piece.column % 64 == 0 for piece in found)
    assert all(len(list(date_runs(slot, pixels=piece.pixels, bytes_each=36))) <= 2 for piece in found)


@pytest.mark.parametrize("every", ["month", "year"])
@pytest.mark.parametrize("budget", [20_000, 60_000])
def test_the_budget_changes_no_bit(every: str, budget: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = random_cube((16, 24), dates=14, cloudy=0.4)
    paths = [write_netcdf_cube(made, tmp_path / "a"), write_zarr_cube(made, tmp_path / "b.zarr")]
    for path, dilate_px in zip(paths, (1, 2), strict=True):
        source = open_cube(path, dilate_px=dilate_px)
        whole, part = (source.read(window, every=every) for window in (None, (3, 14, 5, 20)))
        with monkeypatch.context() as patch:
            patch.setattr(strips, "BUDGET_BYTES", budget)
            again, part_again = (source.read(window, every=every) for window in (None, (3, 14, 5, 20)))
        for one, other in ((whole, again), (part, part_again)):
            assert one.reflectance.tobytes() == other.reflectance.tobytes()
            assert one.observations.tobytes() == other.observations.tobytes()
            assert one.valid.tobytes() == other.valid.tobytes()
            assert one.transform == other.transform
            assert one.provenance == other.provenance
