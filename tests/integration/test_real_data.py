"""Real points and a real patch, where they are at hand (`../shared/data`, never part of the product)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from timesenclip.eo.cube.open import read_cube
from timesenclip.errors import DegradedInputWarning
from timesenclip.evaluation.evaluate import FOREST, ZERO_SHOT, evaluate_cube
from timesenclip.evaluation.labels.labelled import read_labels
from timesenclip.ground.taxonomy import taxonomy_from_phrases

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WORLDCEREAL, FLANDERS = DATA / "worldcereal", DATA / "s2-flanders-2018"
TABLES = sorted(WORLDCEREAL.glob("*parquet"))

needs_points = pytest.mark.skipif(not TABLES, reason=f"no WorldCereal tables in {WORLDCEREAL}")
needs_patch = pytest.mark.skipif(not FLANDERS.is_dir(), reason=f"no Flanders patch in {FLANDERS}")


@needs_points
@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem[:16])
def test_classify_answers_every_real_table(table: Path, run, tmp_path: Path) -> None:
    import pandas as pd

    result = run("classify", table, "-o", tmp_path / "out.parquet", "--json")
    assert result.exit_code == 0, result.output
    answers = pd.read_parquet(tmp_path / "out.parquet")
    assert len(answers) == pd.read_parquet(table, columns=["sample_id"])["sample_id"].nunique()
    assert answers["unknown"].mean() < 0.05
    assert (answers["label"] == "Cropland").mean() > 0.2  # all four are farmland, mostly


@needs_points
def test_held_out_points_are_answered_far_above_chance() -> None:
    from timesenclip.train.field_notes.worldcereal import read_real_points

    from timesenclip.model.checkpoint import load
    from timesenclip.train.field_notes.calibrate import measure

    real = read_real_points(WORLDCEREAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegradedInputWarning)  # of an encoder that needs B8A
        task = measure(load(), real, seed=9)[0]
    zero_shot, forest = task.methods["zero-shot"], task.methods["random forest (had labels)"]
    assert zero_shot.accuracy > 0.75  # 0.805 in the model card
    assert zero_shot.balanced_accuracy > forest.balanced_accuracy - 0.05


@needs_patch
def test_the_flanders_map_agrees_with_the_parcels() -> None:
    cube = read_cube(FLANDERS, period=2018)
    assert cube.shape == (64, 64)
    assert cube.crs == "EPSG:32631"
    labels = read_labels(f"{next(FLANDERS.glob('OUTPUT_*.nc'))}:CT")
    assert np.isin([1200, 9120], labels).all()
    evaluation = evaluate_cube(
        cube,
        labels,
        taxonomy=taxonomy_from_phrases(["maize", "grassland", "forest", "houses and roads"]),
        mapping={"1200": "maize", "9120": "grassland"},
    )
    assert evaluation.methods[ZERO_SHOT].accuracy > 0.8  # 0.861 in the README
    assert evaluation.methods[FOREST].accuracy > evaluation.methods[ZERO_SHOT].accuracy
