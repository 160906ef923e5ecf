"""Tables of points, batch by batch: the same answers as all at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from timesenclip.eo.points.read import read_points
from timesenclip.errors import DegradedInputWarning, InputError, NoClearObservationError
from timesenclip.model.checkpoint import Model, load
from timesenclip.model.checkpoint_config import encoder_fields
from timesenclip.model.embed import embed
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.tasks import point_tables
from timesenclip.tasks.classify import classify
from timesenclip.tasks.point_tables import classify_table, embed_table
from timesenclip.testing import random_series, write_wide_table

NAMES = ["maize", "lake"]


def test_batches_give_the_answers_of_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_wide_table(random_series(7), tmp_path / "points.parquet")
    model = load()
    wanted = classify(read_points(table), NAMES, model=model)
    monkeypatch.setattr(point_tables, "_BATCH", 3)
    calls: list[int] = []
    summary = classify_table(
        table, NAMES, model=model, out=tmp_path / "out.parquet", progress=lambda done, of: calls.append(done)
    )
    assert calls == [3, 6, 7]
    answer = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert answer["label"].tolist() == list(wanted.label)
    np.testing.assert_allclose(answer["p_maize"], wanted.probabilities[:, 0], atol=1e-5)
    assert summary.count == 7
    assert summary.points == {name: list(wanted.label).count(name) for name in (*NAMES, "unknown")}
    assert [row[0] for row in summary.rows()] == [*NAMES, "unknown"]
    assert sum(share for _, _, share, _ in summary.rows()) == pytest.approx(1)
    assert [name for name, _, _ in summary.first] == answer["sample_id"].tolist()
    assert embed_table(table, tmp_path / "vectors.parquet", model=model) == 7
    vectors = np.stack(pq.read_table(tmp_path / "vectors.parquet")["embedding"].to_pylist())
    np.testing.assert_allclose(vectors, embed(read_points(table), model=model), atol=1e-5)


def test_provenance_stands_in_the_file(tmp_path: Path) -> None:
    table = write_wide_table(random_series(2), tmp_path / "points.parquet")
    model = load()
    classify_table(table, NAMES, model=model, out=tmp_path / "a.parquet", unknown_below=-1.0, units="auto")
    how = json.loads(pq.read_metadata(tmp_path / "a.parquet").metadata[b"timesenclip"])
    assert how["checkpoint"]["digest"] == model.digest
    assert how["options"] == {"units": "auto"}
    assert how["unknown_below"] == -1.0


def test_points_that_were_never_seen_are_named_or_refused(tmp_path: Path) -> None:
    series = random_series(3)
    hidden = replace(series, valid=series.valid & np.array([[True], [False], [True]]))
    table = write_wide_table(hidden, tmp_path / "points.parquet")
    with pytest.warns(DegradedInputWarning, match="1 of 3 points have no clear observation"):
        summary = classify_table(table, NAMES, model=load(), unknown_below=-1)
    assert summary.unknown_share == pytest.approx(1 / 3)
    nothing = replace(series, valid=np.zeros_like(series.valid))
    table = write_wide_table(nothing, tmp_path / "dark.parquet")
    with pytest.raises(NoClearObservationError, match="3 of 3 points"):
        embed_table(table, tmp_path / "out.parquet", model=load())
    assert not (tmp_path / "out.parquet").exists()


def test_another_kind_of_file_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.parquet"):
        classify_table(tmp_path / "nothing.parquet", NAMES, model=load(), out=tmp_path / "out.csv")


def test_outlying_steps_of_all_batches_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series = random_series(7)
    field = np.array([0.04, 0.07, 0.05, 0.1, 0.25, 0.32, 0.34, 0.36, 0.2, 0.11], dtype=np.float32)
    values = np.broadcast_to(field, series.reflectance.shape).copy()
    values[:6, 4] = 0.6
    series = replace(series, reflectance=values, valid=np.ones_like(series.valid))
    table, out = write_wide_table(series, tmp_path / "points.parquet"), tmp_path / "out.parquet"
    monkeypatch.setattr(point_tables, "_BATCH", 3)
    classify_table(table, NAMES, model=load(), out=out)
    how = json.loads(pq.read_metadata(out).metadata[b"timesenclip"])["input"]["outlying_steps"]
    assert (how["removed"], how["steps"]) == (6, series.valid.size)
    assert how["share"] == pytest.approx(6 / series.valid.size, abs=1e-4)
    classify_table(table, NAMES, model=load(), out=out, outliers="keep")
    how = json.loads(pq.read_metadata(out).metadata[b"timesenclip"])
    assert how["input"]["outlying_steps"] == "kept"
    assert how["options"] == {"outliers": "keep"}


def test_an_unknown_point_has_no_confidence_anywhere(tmp_path: Path) -> None:
    table, out = write_wide_table(random_series(5), tmp_path / "points.parquet"), tmp_path / "out.parquet"
    summary = classify_table(table, NAMES, model=load(), out=out, unknown_below=1.0)
    assert summary.points["unknown"] == 5
    assert pq.read_table(out)["confidence"].null_count == 5
    assert pq.read_table(out)["p_maize"].null_count == 0
    assert np.isnan([row[3] for row in summary.rows()]).all()
    assert np.isnan([confidence for _, _, confidence in summary.first]).all()


def _any_bands() -> Model:
    torch.manual_seed(0)
    shipped = load()
    tiny = replace(PRESETS["tiny"], dim=16, depth=1, heads=2, ffn_dim=8, embed_dim=256, band_mask=True)
    config = shipped.config.model_copy(update={"encoder": encoder_fields(tiny), "band_names": None})
    return Model(SeriesEncoder(tiny), config)


def test_bands_that_are_not_there_are_told_once_for_the_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_parquet(write_wide_table(random_series(7), tmp_path / "points.parquet"))
    table = tmp_path / "rgb.parquet"
    frame[[c for c in frame if not c.startswith("OPTICAL") or c[8:11] in ("B02", "B03", "B04")]].to_parquet(table)
    monkeypatch.setattr(point_tables, "_BATCH", 3)
    with pytest.warns(DegradedInputWarning, match=r"no B05, .*: 3 of 10 bands are there .*how-good") as said:
        summary = classify_table(table, NAMES, model=_any_bands(), out=tmp_path / "out.parquet")
    assert (summary.count, len(said)) == (7, 1)
    how = json.loads(pq.read_metadata(tmp_path / "out.parquet").metadata[b"timesenclip"])["input"]
    assert how["bands"] == {name: f"OPTICAL-{name}-ts0-10m" for name in ("B02", "B03", "B04")}
    assert how["sensor"] == "sentinel-2"


def test_what_was_substituted_stands_in_the_file(tmp_path: Path) -> None:
    model = load()
    if model.encoder.config.band_mask:
        model = Model(SeriesEncoder(replace(model.encoder.config, band_mask=False)), model.config)
    frame = pd.read_parquet(write_wide_table(random_series(3), tmp_path / "points.parquet"))
    table = tmp_path / "no8a.parquet"
    frame.drop(columns=[c for c in frame if "B8A" in c]).to_parquet(table)
    with pytest.warns(DegradedInputWarning, match="B8A is absent; B08") as said:
        embed_table(table, tmp_path / "out.parquet", model=model)
    assert len(said) == 1
    how = json.loads(pq.read_metadata(tmp_path / "out.parquet").metadata[b"timesenclip"])["input"]
    assert how["substituted"] == "B8A by B08"
