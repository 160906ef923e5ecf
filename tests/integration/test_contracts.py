"""What docs/cli.md promises about the files and the JSON that the commands write."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
import xarray as xr

from timesenclip.data.store import SeriesStore
from timesenclip.eo.cube.open import read_cube
from timesenclip.evaluation.evaluate import evaluate_cube, evaluate_points
from timesenclip.ground.taxonomy import taxonomy_from_phrases

from .conftest import as_json, long_frame, maize_dn, wide_frame


def ask(run, *args: object) -> dict:
    """Run with --json; stdout must be one JSON object and stderr free of errors."""
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_classify_writes_one_row_per_series_in_input_order(run, tmp_path: Path):
    frame = wide_frame(maize_dn(5)).iloc[[3, 0, 4, 1, 2]]
    frame.to_parquet(tmp_path / "points.parquet")
    out = tmp_path / "new folder" / "answer.parquet"
    said = ask(run, "classify", tmp_path / "points.parquet", "-p", "maize", "-p", "deep water", "-o", out)

    table = pq.read_table(out)
    place = ["sample_id", "lat", "lon"]
    assert table.column_names == [*place, "label", "confidence", "unknown", "p_maize", "p_deep water"]
    answer = table.to_pandas()
    assert answer["sample_id"].tolist() == ["field-3", "field-0", "field-4", "field-1", "field-2"]
    np.testing.assert_array_equal(answer[["lat", "lon"]], frame[["lat", "lon"]])
    np.testing.assert_allclose(answer[["p_maize", "p_deep water"]].sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(answer["label"] == "unknown", answer["unknown"])
    assert set(answer["label"]) <= {"maize", "deep water", "unknown"}

    assert said["count"] == 5
    assert [row["label"] for row in said["classes"]] == ["maize", "deep water", "unknown"]
    assert {row["label"]: row["count"] for row in said["classes"] if row["count"]} == dict(
        answer["label"].value_counts()
    )
    how = json.loads(pq.read_metadata(out).metadata[b"timesenclip"])
    assert how["timesenclip"]
    assert how["checkpoint"]


def test_sample_ids_are_made_up_and_places_null_where_absent(run, tmp_path: Path):
    wide_frame(maize_dn(2)).drop(columns=["sample_id", "lat", "lon"]).to_parquet(tmp_path / "points.parquet")
    ask(run, "classify", tmp_path / "points.parquet", "-o", tmp_path / "out.parquet")
    answer = pq.read_table(tmp_path / "out.parquet")
    assert answer["sample_id"].to_pylist() == ["0", "1"]
    assert answer["lat"].null_count == answer["lon"].null_count == 2


def test_default_question_is_the_eight_land_covers(run, points: Path):
    labels = [row["label"] for row in ask(run, "classify", points)["classes"]]
    assert len(labels) == 9
    assert "Cropland" in labels
    assert labels[-1] == "unknown"


def test_embed_writes_unit_vectors(run, points: Path, tmp_path: Path):
    said = ask(run, "embed", points, "-o", tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["sample_id", "lat", "lon", "embedding"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32())
    assert {len(vector) for vector in table["embedding"].to_pylist()} == {said["dim"]}
    vectors = np.stack(table["embedding"].to_pylist())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_wide_and_long_say_the_same(run, tmp_path: Path):
    dn = maize_dn(3)
    answers = []
    for name, frame in (("wide", wide_frame(dn).assign(lat=50.0)), ("long", long_frame(dn))):
        frame.to_parquet(tmp_path / f"{name}.parquet")
        ask(run, "classify", tmp_path / f"{name}.parquet", "-o", tmp_path / "out.parquet")
        answers.append(pd.read_parquet(tmp_path / "out.parquet"))
    pd.testing.assert_frame_equal(*answers)


def test_batches_do_not_change_the_answer(run, tmp_path: Path, monkeypatch):
    wide_frame(maize_dn(7)).to_parquet(tmp_path / "points.parquet")
    answers = []
    for size in (65_536, 2):
        monkeypatch.setattr("timesenclip.tasks.point_tables._BATCH", size)
        ask(run, "classify", tmp_path / "points.parquet", "-o", tmp_path / "out.parquet")
        answers.append(pd.read_parquet(tmp_path / "out.parquet"))
    pd.testing.assert_frame_equal(*answers, atol=1e-5)


def test_map_codes_follow_the_phrases(run, cube: Path, tmp_path: Path):
    out = tmp_path / "out"
    said = ask(run, "map", cube, "--year", 2020, "-p", "deep water", "-p", "maize", "-o", out)
    with rasterio.open(out / "classes.tif") as raster:
        assert raster.crs.to_epsg() == 32631
        assert raster.res == (10.0, 10.0)
        assert raster.nodata == 255
        codes = raster.read(1)
    assert set(np.unique(codes)) <= {0, 1, 2}
    shares = {row["label"]: row["share"] for row in said["classes"]}
    assert list(shares) == ["deep water", "maize", "unknown"]
    assert math.isclose(shares["maize"], (codes == 2).mean())
    for path in said["files"].values():
        assert Path(path).is_file()


def water_dn(count: int) -> np.ndarray:
    year = np.array([450, 400, 280, 200, 150, 140, 120, 110, 60, 40])
    return np.random.default_rng(1).normal(year, 0.05 * year, (count, 12, 10)).astype(np.uint16)


def test_evaluate_points_stands_beside_chance_majority_and_a_forest(run, tmp_path: Path):
    frame = wide_frame(np.concatenate([maize_dn(20), water_dn(20)]))
    lat = 50.0 + 0.25 * np.tile(np.arange(4), 10)
    frame.assign(lat=lat, crop=["1200"] * 20 + ["W"] * 20).to_parquet(tmp_path / "points.parquet")
    question = ["-p", "maize", "-p", "water", "--mapping", "1200=maize,W=water"]
    said = ask(run, "evaluate", "suite", tmp_path / "points.parquet", "--labels", "crop", *question)
    methods = list(said["methods"])
    assert methods[0] == "zero-shot"
    assert {"chance", "majority", "random forest (with labels)", "linear probe on embeddings"} < {*methods}
    assert said["methods"]["random forest (with labels)"]["accuracy"] == 1.0
    assert said["methods"]["zero-shot"]["accuracy"] > 0.9
    shown = run("evaluate", "suite", tmp_path / "points.parquet", "--labels", "crop", *question)
    assert all(method in shown.stdout for method in said["methods"])


def test_evaluate_map_reads_labels_from_a_variable(run, cube: Path, tmp_path: Path):
    labels = xr.Dataset({"CT": (("y", "x"), np.array([[1200, 1200, 7, 0]] * 4, dtype=np.uint16))})
    labels.to_netcdf(tmp_path / "labels.nc", engine="h5netcdf")
    where = ["--labels", f"{tmp_path / 'labels.nc'}:CT", "--mapping", "1200=maize,7=water"]
    said = ask(run, "evaluate", "suite", cube, "--year", 2020, "-p", "maize", "-p", "water", *where)
    assert said["methods"]["zero-shot"]["count"] == 12
    assert said["skipped"] == {"0": 4}


def test_a_file_with_an_offset_is_evaluated_as_it_is_classified(run, tmp_path: Path):
    dn = np.concatenate([maize_dn(20), water_dn(20)])
    asked = ["--labels", "crop", "-p", "maize", "-p", "water"]
    said = []
    for name, high, options in (("plain", 0, []), ("high", 1000, ["--offset-dn", 1000])):
        frame = wide_frame((dn + high).astype(np.uint16)).assign(crop=["maize"] * 20 + ["water"] * 20)
        folder = tmp_path / name
        folder.mkdir()
        frame.to_parquet(folder / "points.parquet")
        said.append(ask(run, "evaluate", "suite", folder / "points.parquet", *asked, *options))
        made = ask(run, "data", "points", folder / "points.parquet", "--year", 2020, *options, "-o", folder / "s.zarr")
        assert made["count"] == 40
    assert said[0] == said[1]
    stores = [SeriesStore.open(tmp_path / name / "s.zarr") for name in ("plain", "high")]
    assert np.array_equal(stores[0].series().reflectance, stores[1].series().reflectance)


def test_every_mapping_of_a_cube_is_applied(run, cube: Path, tmp_path: Path):
    labels = xr.Dataset({"CT": (("y", "x"), np.array([[1200, 1200, 7, 0]] * 4, dtype=np.uint16))})
    labels.to_netcdf(tmp_path / "labels.nc", engine="h5netcdf")
    where = ["--labels", f"{tmp_path / 'labels.nc'}:CT", "-p", "maize", "-p", "water", "--year", 2020]
    once = ask(run, "evaluate", "suite", cube, *where, "--mapping", "1200=maize,7=water")
    chain = ["--mapping", "1200=corn,7=lake", "--mapping", "corn=maize,lake=water"]
    twice = ask(run, "evaluate", "suite", cube, *where, *chain)
    assert twice == once
    assert once["methods"]["zero-shot"]["count"] == 12


def test_evaluate_suite_has_the_figures_of_the_library(run, cube: Path, tmp_path: Path):
    frame = wide_frame(np.concatenate([maize_dn(20), water_dn(20)]))
    lat = 50.0 + 0.25 * np.tile(np.arange(4), 10)
    table = tmp_path / "points.parquet"
    frame.assign(lat=lat, crop=["1200"] * 20 + ["W"] * 20).to_parquet(table)
    classes, mapping = taxonomy_from_phrases(["maize", "water"]), {"1200": "maize", "W": "water"}
    asked = ["-p", "maize", "-p", "water", "--mapping", "1200=maize,W=water"]
    wanted = evaluate_points(table, label_column="crop", taxonomy=classes, mapping=mapping).to_dict()
    assert ask(run, "evaluate", "suite", table, "--labels", "crop", *asked) == as_json(wanted)
    codes = np.array([[1200, 1200, 7, 0]] * 4, dtype=np.uint16)
    xr.Dataset({"CT": (("y", "x"), codes)}).to_netcdf(tmp_path / "labels.nc", engine="h5netcdf")
    wanted = evaluate_cube(read_cube(cube), codes, taxonomy=classes, mapping={"1200": "maize", "7": "water"}).to_dict()
    asked = ["-p", "maize", "-p", "water", "--mapping", "1200=maize,7=water"]
    asked += ["--labels", f"{tmp_path / 'labels.nc'}:CT"]
    assert ask(run, "evaluate", "suite", cube, *asked)["methods"] == as_json(wanted["methods"])


def test_a_threshold_is_kept_by_every_command_that_answers(run, cube: Path, tmp_path: Path):
    frame = wide_frame(maize_dn(8))
    frame.assign(crop="maize").to_parquet(tmp_path / "points.parquet")
    asked = ["-p", "maize", "-p", "deep water"]
    ask(run, "embed-area", cube, "--year", 2020, "-o", tmp_path / "area.zarr")

    def unknown(share: float, *options: object) -> None:
        answer = ask(run, "classify", tmp_path / "points.parquet", *asked, *options)
        assert answer["unknown_share"] == share
        found = ask(run, "evaluate", "suite", tmp_path / "points.parquet", "--labels", "crop", *asked, *options)
        assert found["methods"]["zero-shot"]["accuracy"] == 1 - share
        for name, command in (("map", ["map", cube, "--year", 2020]), ("ask", ["ask", tmp_path / "area.zarr"])):
            drawn = ask(run, *command, *asked, *options, "-o", tmp_path / f"{name}-{share:g}")
            assert {row["label"]: row["share"] for row in drawn["classes"]}["unknown"] == share

    unknown(0.0, "--unknown-below", -1)
    unknown(1.0, "--unknown-below", 1)


def test_info_says_what_the_checkpoint_is(run):
    facts = ask(run, "info")
    assert facts["parameters"] > 100_000
    assert facts["tower"]["name"] == "compact"
    assert facts["digest"] in run("info").stdout


def test_doctor_finds_this_installation_sound(run):
    said = ask(run, "doctor")
    assert said["ok"] is True
    assert {"versions", "torch", "torchvision", "weights", "text tower"} <= {check["name"] for check in said["checks"]}
