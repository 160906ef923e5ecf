"""Which figures a sweep has, and the values that they are drawn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from timesenclip.evaluation.sweep import figures
from timesenclip.evaluation.sweep.cells import RETRIEVAL, SweepCell, SweepCheckpoint
from timesenclip.evaluation.sweep.config import SweepConfig
from timesenclip.evaluation.sweep.figures import sweep_figures


def _config(**changes: Any) -> SweepConfig:
    return SweepConfig(**({"name": "x", "data": ("a",), "labels": "kind", "prompts": ("a", "b")} | changes))


def _cell(checkpoint: str, value: float, *, kept: int = 12, seed: int = 0, composite: str = "month") -> SweepCell:
    return SweepCell(checkpoint, "digest", "default", composite, kept, seed, 10, 6.0, value, value, value)


def _entry(name: str, changed: tuple[str, ...] = (), **settings: Any) -> SweepCheckpoint:
    shared = {"bands": "all", "patch_size": 1, "augmentation": "all", "pooling": "mean", "bank_size": 64, "seed": 0}
    return SweepCheckpoint(name, name, shared | settings, changed)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """Positional arguments of every plot by name of the figure."""
    calls: dict[str, tuple[Any, ...]] = {}
    for kind in ("dots", "curves"):
        plot = getattr(figures, kind)

        def kept(name: str, *args: Any, plot: Any = plot, **options: Any) -> Any:
            calls[name] = args
            return plot(name, *args, **options)

        monkeypatch.setattr(figures, kind, kept)
    return calls


def test_checkpoints_that_were_given_have_one_curve_over_the_months(drawn: dict[str, tuple[Any, ...]]) -> None:
    config = _config(months_kept=(12, 2), seeds=(0, 1))
    values = {(12, 0): 0.8, (12, 1): 0.6, (2, 0): 0.3, (2, 1): 0.5}
    cells = [_cell("default", value, kept=kept, seed=seed) for (kept, seed), value in values.items()]
    made = sweep_figures(config, cells, [SweepCheckpoint("default", "default")])
    assert [one.name for one in made] == ["curve"]
    (line,) = drawn["curve"][1]
    assert (line.name, line.x) == ("month", [2, 12])
    assert line.y == pytest.approx([0.4, 0.7])
    assert (line.low, line.high) == ([0.3, 0.6], [0.5, 0.8])
    assert sweep_figures(_config(), [_cell("default", 0.5)], [SweepCheckpoint("default", "default")]) == []


def test_seeds_of_a_change_are_one_row_with_a_bar(drawn: dict[str, tuple[Any, ...]]) -> None:
    entries = [
        _entry("base"),
        _entry("seed=1", seed=1),
        _entry("bands=rgb", ("bands",), bands="rgb"),
        SweepCheckpoint("bands=10m", None),  # its training diverged
    ]
    cells = [_cell("base", 0.8), _cell("seed=1", 0.6), _cell("bands=rgb", 0.5)]
    cells.append(SweepCell("bands=10m", "", "default", "month", 12, 0, 0, np.nan, np.nan, np.nan, np.nan))
    made = sweep_figures(_config(), cells, entries)
    assert [one.name for one in made] == ["ablation"]  # bands are words, which have no axis
    _, labels, values = drawn["ablation"]
    assert labels == ["base", "bands=rgb"]
    assert values[0] == pytest.approx((0.7, 0.6, 0.8))
    assert values[1] == pytest.approx((0.5, np.nan, np.nan), nan_ok=True)  # one seed has no bar


def test_numbers_are_an_axis_and_months_a_line_for_each(drawn: dict[str, tuple[Any, ...]]) -> None:
    entries = [
        _entry("bank_size=256", ("bank_size",), bank_size=256),
        _entry("base"),
        _entry("pooling=attention", ("pooling",), pooling="attention"),
    ]
    config = _config(months_kept=(12, 1))
    value = {"bank_size=256": 0.6, "base": 0.3, "pooling=attention": 0.1}
    cells = [_cell(name, value[name] * share, kept=kept) for kept, share in ((12, 1), (1, 0.5)) for name in value]
    names = {one.name for one in sweep_figures(config, cells, entries)}
    assert names == {"ablation", "axis-bank-size", "curve-bank-size", "curve-pooling"}
    lines = {line.name: line for line in drawn["axis-bank-size"][1]}
    assert set(lines) == {"average class accuracy", "accuracy", "macro F1"}
    assert lines["accuracy"].x == [64, 256]  # in order of the numbers, and without the change of pooling
    assert lines["accuracy"].y == pytest.approx([0.3, 0.6])
    by_bank = {line.name: line.y for line in drawn["curve-bank-size"][1]}
    assert by_bank["256"] == pytest.approx([0.3, 0.6])  # one step, twelve steps


def test_retrieval_is_the_mean_of_both_directions(drawn: dict[str, tuple[Any, ...]]) -> None:
    recall = dict(zip(RETRIEVAL, (0.1, 0.2, 0.4, 0.1, 0.2, 0.6), strict=True))
    entry = SweepCheckpoint("base", "base", _entry("base").settings, (), recall)
    made = sweep_figures(_config(), [_cell("base", 0.5)], [entry])
    assert [one.name for one in made] == ["ablation", "ablation-retrieval"]
    assert drawn["ablation-retrieval"][2][0][0] == pytest.approx(0.5)


def test_composites_have_a_row_for_each_checkpoint_and_length(drawn: dict[str, tuple[Any, ...]]) -> None:
    cells = [_cell("base", 0.7), _cell("base", 0.4, composite="year")]
    sweep_figures(_config(composites=("month", "year")), cells, [_entry("base")])
    assert drawn["composites"][1] == ["base, month", "base, year"]
    assert [row[0] for row in drawn["composites"][2]] == [0.7, 0.4]


@pytest.mark.parametrize(("highest", "top"), [(0.05, 0.1), (0.097, 0.2), (0.5, 0.6), (0.79, 1.0)])
def test_the_axis_ends_above_the_highest_value(highest: float, top: float) -> None:
    assert figures._top([0.0, highest]) == top
