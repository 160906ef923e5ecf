from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.evaluation.sweep.config import read_sweep
from timesenclip.evaluation.sweep.run import run_sweep
from timesenclip.testing import random_series, write_wide_table

TEXT = """
name: months
data: [points.parquet]
labels: kind
prompts: [maize, grassland]
composites: [month, quarter]
months_kept: [12, 2]
seeds: [0, 1]
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    path = write_wide_table(random_series(12), tmp_path / "points.parquet")
    frame = pd.read_parquet(path)
    frame.assign(kind=np.where(np.arange(12) % 2, "maize", "grassland")).to_parquet(path)
    (tmp_path / "sweep.yaml").write_text(TEXT)
    return tmp_path / "sweep.yaml"


def test_a_killed_sweep_goes_on_and_gives_the_same_table(sweep_file: Path, tmp_path: Path) -> None:
    config = read_sweep(sweep_file)
    whole = run_sweep(config, tmp_path / "whole")
    assert (len(whole.cells), whole.computed) == (8, 8)

    class Killed(Exception):
        pass

    def kill(done: int, of: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        run_sweep(config, tmp_path / "cut", progress=kill)
    assert len(list((tmp_path / "cut" / "cells").glob("*.json"))) == 3
    next((tmp_path / "cut" / "cells").glob("*.json")).write_text("{half a ce")  # cut short while it was written
    again = run_sweep(config, tmp_path / "cut")
    assert again.computed == 6
    assert again.files["table"].read_text() == whole.files["table"].read_text()
    assert again.files["curve"].is_file()
    assert run_sweep(config, tmp_path / "cut").computed == 0
    quarters = [cell for cell in whole.cells if cell.composite == "quarter" and cell.months_kept == 12]
    assert all(cell.steps <= 4 for cell in quarters)


def test_other_data_are_other_cells(sweep_file: Path, tmp_path: Path) -> None:
    config = read_sweep(sweep_file)
    run_sweep(config, tmp_path / "out")
    table = sweep_file.parent / "points.parquet"
    frame = pd.read_parquet(table)
    frame.assign(kind="maize").to_parquet(table)
    assert run_sweep(config, tmp_path / "out").computed == 8
