"""Real points and a real patch, where they are at hand (`../shared/data`, never part of the product)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.eo.cube.open import read_cube
from timesenclip.evaluation.evaluate import FOREST, ZERO_SHOT, evaluate_cube
from timesenclip.evaluation.labels.labelled import read_labels
from timesenclip.ground.taxonomy import taxonomy_from_phrases

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WORLDCEREAL, FLANDERS = DATA / "worldcereal", DATA / "s2-flanders-2018"
TABLES = sorted(WORLDCEREAL.glob("*parquet"))

needs_points = pytest.mark.skipif(not TABLES, reason=f"no WorldCereal tables in {WORLDCEREAL}")
LANDSAT = DATA / "landsat"
needs_sets = pytest.mark.skipif(not LANDSAT.is_dir(), reason=f"no Landsat tables in {LANDSAT}")
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


@needs_sets
@pytest.mark.parametrize("table", sorted(LANDSAT.glob("*.parquet")), ids=lambda path: path.stem)
def test_landsat_tables_without_red_edge_are_answered(table: Path, run, tmp_path: Path) -> None:
    import pandas as pd

    asked = [part for phrase in ("forest", "cropland", "pasture", "water") for part in ("-p", phrase)]
    result = run("classify", table, *asked, "--answer-all", "-o", tmp_path / "out.parquet")
    assert result.exit_code == 0, result.output
    answers = pd.read_parquet(tmp_path / "out.parquet").set_index("sample_id")["label"]
    labels = pd.read_parquet(table, columns=["sample_id", "label"]).drop_duplicates("sample_id").set_index("sample_id")
    forest = labels["label"] == "FORMAÇÃO FLORESTAL"
    assert (answers[forest[forest].index] == "forest").mean() > 0.8
    assert (answers[forest[~forest].index] == "forest").mean() < 0.3


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
