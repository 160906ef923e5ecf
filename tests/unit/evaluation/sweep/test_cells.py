"""Cells and checkpoints of a sweep survive JSON, in which they are kept between runs."""

from __future__ import annotations

import json
from dataclasses import asdict

from timesenclip.evaluation.sweep.cells import RETRIEVAL, SweepCell, SweepCheckpoint


def test_retrieval_columns_name_direction_and_k() -> None:
    assert RETRIEVAL == ("S2G R@1", "S2G R@5", "S2G R@10", "G2S R@1", "G2S R@5", "G2S R@10")


def test_a_cell_is_the_same_after_json() -> None:
    cell = SweepCell("base", "0123", "default", "month", 12, 0, 24, 11.25, 0.1, 1 / 3, 0.7)
    assert SweepCell(**json.loads(json.dumps(asdict(cell)))) == cell


def test_a_checkpoint_that_was_given_has_no_settings() -> None:
    given = SweepCheckpoint("default", "default")
    trained = SweepCheckpoint("bands=rgb", "b", {"bands": "rgb", "seed": 0}, ("bands",), {"S2G R@1": 0.5})
    assert asdict(given) == {"name": "default", "checkpoint": "default", "settings": {}, "changed": (), "retrieval": {}}
    assert asdict(trained)["settings"] == {"bands": "rgb", "seed": 0}
