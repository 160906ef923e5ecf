from __future__ import annotations

import numpy as np
import pytest

from timesenclip.grid import Window
from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.output.tally import AreaTally, preview_step, thinned
from timesenclip.mapping.query import Query


def test_blocks_add_up_to_the_area(query: Query, scores: np.ndarray) -> None:
    clear, colour = np.ones((20, 30), dtype=np.uint16), np.full((20, 30, 3), 255, dtype=np.uint8)
    block = ClassBlock.from_scores(scores, query, clear=clear, colour=colour, masked=4)
    tally = AreaTally((40, 60), 3)
    for window in (Window(0, 20, 0, 30), Window(20, 40, 30, 60)):
        tally.add(block, window)
    tally.skip(Window(0, 20, 30, 60))
    tally.skip(Window(20, 40, 0, 30))
    assert tally.seen == 2 * 570
    assert tally.nodata == 2 * 30 + 2 * 600
    assert tally.missing() == {"masked_pixels": 8, "nodata_pixels": tally.nodata}
    areas = tally.areas(query.taxonomy, 10.0)
    assert [area.name for area in areas] == ["maize", "grassland", "water", "unknown"]
    assert [area.value for area in areas] == [1, 2, 3, 0]
    for area in areas:
        assert area.pixels == 2 * (block.classes == area.value).sum()
        assert area.hectares == pytest.approx(area.pixels / 100)
        percent = block.confidence[block.classes == area.value].mean() if area.value else float("nan")
        assert area.mean_confidence * 100 == pytest.approx(percent, abs=0.5, nan_ok=True)
    assert sum(area.share for area in areas) == pytest.approx(1)
    assert np.array_equal(tally.preview.classes[:20, :30], block.classes)
    assert (tally.preview.classes[:20, 30:] == 255).all()
    assert (tally.preview.true_colour[20:, 30:] == 1).all()


def test_a_class_without_pixels_has_no_confidence(query: Query) -> None:
    areas = AreaTally((4, 4), 3).areas(query.taxonomy, 10.0)
    assert all(np.isnan(area.mean_confidence) for area in areas)
    assert all(area.share == 0 for area in areas)


@pytest.mark.parametrize(("shape", "step"), [((1024, 3), 1), ((1025, 3), 2), ((3, 10_240), 10)])
def test_a_preview_has_at_most_1024_rows_and_columns(shape: tuple[int, int], step: int) -> None:
    assert preview_step(shape) == step


def test_thinned_blocks_are_the_thinned_area() -> None:
    area = np.arange(23 * 31).reshape(23, 31)
    small = np.full((8, 11), -1)
    for row in range(0, 23, 10):
        for column in range(0, 31, 10):
            window = (row, min(row + 10, 23), column, min(column + 10, 31))
            inside, target = thinned(window, 3)
            small[target] = area[window[0] : window[1], window[2] : window[3]][inside]
    assert np.array_equal(small, area[::3, ::3])
