"""Real sets: small tables in their formats, and the sets themselves where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.train.field_notes.notes import kinds_of_place
from timesenclip.train.field_notes.real_sets import REGIONS, read_real_sets

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"
KINDS = kinds_of_place()


def _table(path: Path, labels: dict[str, list[str]], *, bands: tuple[str, ...] = BAND_NAMES) -> None:
    rng = np.random.default_rng(0)
    count = len(next(iter(labels.values())))
    days = pd.date_range("2018-07-01", periods=12, freq="MS")
    frame = pd.DataFrame({"sample_id": np.repeat([f"p{i}" for i in range(count)], 12), "timestamp": list(days) * count})
    frame["lat"], frame["lon"] = -9.0, -60.0
    for band in bands:
        frame[f"S2-L2A-{band}"] = rng.integers(300, 4000, len(frame))
    for name, values in labels.items():
        frame[name] = np.repeat(values, 12)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path)


def test_labels_become_mixtures_of_kinds(tmp_path: Path) -> None:
    _table(
        tmp_path / "rondonia-2018/amazonia_2018.parquet",
        {"label": ["Pasture", "Forest", "Deforestation", "NatNonForest"]},
    )
    six = ("B02", "B03", "B04", "B8A", "B11", "B12")
    _table(tmp_path / "landsat/pantanal_oli_2018.parquet", {"label": ["AGRICULTURA", "NÃO OBSERVADO"]}, bands=six)
    rondonia, pantanal = read_real_sets(tmp_path)
    assert rondonia.label == ("Pasture", "Forest", "NatNonForest")  # what changed within the year is left out
    assert rondonia.mixture[0, KINDS.index("tropical pasture")] == 1
    assert np.allclose(rondonia.mixture.sum(axis=1), 1)
    assert (rondonia.mixture[2] > 0).sum() > 1
    assert pantanal.mixture.sum(axis=1).tolist() == pytest.approx([1, 0])
    assert len(pantanal.labelled()) == 1
    assert pantanal.series.bands_seen().any(axis=(0, 1)).sum() == 6
    assert [real.region for real in read_real_sets(tmp_path, leave_out=("pantanal",))] == ["rondonia"]
    assert [real.region for real in read_real_sets(tmp_path, only=("pantanal",))] == ["pantanal"]


def test_worldcereal_labels_are_crops_where_they_are_known(tmp_path: Path) -> None:
    _table(tmp_path / "worldcereal/2021_BEL_dummy.parquet", {"ewoc_code": ["1", "2", "3", "4"]})
    names = {"1": "temporary_crops", "2": "temporary_crops", "3": "grasslands", "4": "ignore"}
    crops = {"1": "maize", "2": "other_oilseed", "3": "no_crop", "4": "ignore"}
    (tmp_path / "worldcereal/class_mappings.json").write_text(json.dumps({"LANDCOVER10": names, "CROPTYPE24": crops}))
    flanders = read_real_sets(tmp_path)[0]
    assert flanders.label == ("maize", "temporary_crops", "grasslands", "ignore")
    kinds = [KINDS[i] for i in flanders.mixture[:3].argmax(axis=1)]
    assert kinds == ["maize", "any crops", "any grassland"]
    assert not flanders.mixture[3].any()


def test_dynamic_world_points_bring_votes_and_no_label(tmp_path: Path) -> None:
    folder = tmp_path / "dynamic-world-points"
    folder.mkdir()
    rng = np.random.default_rng(0)
    values = rng.integers(200, 4000, (5, 3, 18)).astype(float)
    values[0] = 0
    np.save(folder / "fuel_moisture_s1_s2_era5_srtm.npy", values)
    np.save(folder / "fuel_moisture_month.npy", np.array([[10, 11, 0]] * 5))
    np.save(folder / "fuel_moisture_latlon.npy", np.array([[40.0, -100.0]] * 5))
    np.save(folder / "fuel_moisture_dynamic_world.npy", np.array([[5, 5, 9]] * 5))
    points = read_real_sets(tmp_path)[0]
    assert len(points) == 4  # one was never seen
    assert points.votes is not None
    assert points.votes[0].tolist() == pytest.approx([0, 0, 0, 0, 0, 2 / 3, 0, 0, 0])
    assert not points.mixture.any()
    assert (points.series.months()[0] % 12).tolist() == [10, 11, 0]
    assert points.series.lon_deg[0] == -100


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"No set of real series .*worldcereal"):
        read_real_sets(tmp_path)
    with pytest.raises(InputError, match=r"Unknown region 'mars'; expected one of corsica"):
        read_real_sets(tmp_path, leave_out=("mars",))


@pytest.mark.skipif(not (SHARED / "worldcereal").is_dir(), reason=f"no real sets in {SHARED}")
def test_every_region_is_read_and_every_label_is_known_or_empty() -> None:
    sets = read_real_sets(SHARED)
    assert {real.region for real in sets} == set(REGIONS)
    for real in sets:
        assert real.series.valid.any(axis=1).all()
        assert len(real.label) == len(real) == len(real.mixture)
        if real.region != "united-states":
            assert (real.mixture.sum(axis=1) > 0).mean() > 0.5, real.title
