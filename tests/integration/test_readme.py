"""What the README says is run, word for word."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from shapely.geometry import box
from typer.testing import Result

from tests.integration.stac_world import SHOTS, A, write_world
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.testing import random_cube, random_series, write_netcdf_cube, write_wide_table
from timesenclip.testing.training import write_lucas_embeddings, write_sen4map_crops

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = pd.read_parquet(write_wide_table(random_series(24), tmp_path / "points.parquet"))
    table["cover"] = ["Cropland", "Grassland", "Woodland"] * 8
    table.to_parquet(tmp_path / "points.parquet")
    write_netcdf_cube(random_cube(dates=12), tmp_path / "s2-cube")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def farm(workplace: Path, run: Callable[..., Result]) -> None:
    """An area, scenes that show it, parcels, and a store of an earlier year."""
    write_world(workplace / "scenes", tuple(shot for shot in SHOTS if not shot.without and not shot.broken))
    west, north = A.x0 + 200, A.y0 - 200
    square = geopandas.GeoDataFrame(geometry=[box(west, north - 320, west + 320, north)], crs=A.epsg)
    square.to_file(workplace / "farm.gpkg")
    square.to_file(workplace / "parcels.gpkg")
    made = run(*shlex.split("embed-area --aoi farm.gpkg --period 2022 --catalog scenes --dims 128 -o farm-2018.zarr"))
    assert made.exit_code == 0, made.output


@pytest.fixture
def researcher(workplace: Path) -> None:
    """Sen4Map and LUCAS in small, a recipe that is done in seconds, and weights of the authors' shape."""
    ids, rng = [f"4100{i:04d}" for i in range(24)], np.random.default_rng(0)
    series = random_series(24, year=2018)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, 24))
    write_sen4map_crops(workplace / "train.h5", ids, series=series)
    write_lucas_embeddings(workplace / "ground.pt", {f"BE_{p}{v}": rng.normal(size=256) for p in ids for v in "WENS"})
    recipe = {
        "recipe": "photos",
        "name": "better",
        "tower": "compact",
        "encoder": "tiny",
        "data": {"series": "data/sen4map-train.zarr", "ground": "ground.pt"},
        "split": {"validation": 0.2},
        "objective": {"in_batch": True},
        "epochs": 1,
        "batch_size": 8,
        "precision": "32-true",
    }
    (workplace / "configs").mkdir()
    (workplace / "configs" / "better.yaml").write_text(yaml.safe_dump(recipe))
    torch.save(SeriesEncoder(PRESETS["paper"]).state_dict(), workplace / "TimeSenCLIP_1x1.ckpt")


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_runs(block: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})
    assert "p_grassland" in capsys.readouterr().out or "confidence" in block


COMMANDS = [
    line.split("#")[0].strip()
    for block in _blocks("bash")
    for line in block.splitlines()
    if line.startswith("timesenclip ") and "s2-flanders" not in line  # real data, which are not here
]
HERE = {
    "--prompt forest --aoi farm.gpkg": "--prompt forest --aoi farm.gpkg --catalog scenes",
    "--year 2018": "--year 2021",
    "--period 2023": "--period 2021-11..2022-02 --catalog scenes",  # no network in tests: the same search in a folder
}


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_commands_run_one_after_the_other(workplace: Path, farm: None, researcher: None, run) -> None:
    assert len(COMMANDS) > 12
    for command in COMMANDS:
        here = command
        for there, instead in HERE.items():
            here = here.replace(there, instead)
        result = run(*shlex.split(here)[1:])
        assert result.exit_code == 0, f"{here}\n{result.output}"
        target = re.search(r"-o (\S+)", command)
        if target:
            assert (workplace / target[1]).exists(), here


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", TEXT):
        assert (README.parent / target).exists(), target


def test_the_figures_are_those_of_the_regions_left_out() -> None:
    page = (README.parent / "docs" / "how-good.md").read_text(encoding="utf-8")
    page = page[page.index("## Land cover by region") : page.index("## Crops and finer kinds by region")]
    rows = re.findall(
        r"\| ([\w-]+) \| [\d,]+ \| \d of \d \| ([\d.]+) \(.*?\| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| [\d.]+ \|\n", page
    )
    assert len(rows) >= 8
    for region, words, elsewhere, same in rows:
        name = region.replace("-", " ").title()
        assert re.search(rf"\| {name}[^|]*\| {words} \| {elsewhere} \| {same} \|", TEXT), region
