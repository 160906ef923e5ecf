"""Whole areas from a search, in several blocks: what is recorded of them, and what cannot be done is said in time."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import Polygon, box

from timesenclip.eo.stac.open import open_stac
from timesenclip.errors import DegradedInputWarning, InputError
from timesenclip.mapping.change_month import month_of_change
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.output.zones import check_zones
from timesenclip.mapping.plan import plan_area
from timesenclip.model.checkpoint import load

from .stac_world import SHOTS, A, B, Shot, item, serve, write_world

SEASON = "2021-11..2022-02"
BROKEN = f"{SHOTS[10].id} B8A"


@pytest.fixture(scope="module")
def catalog(world: Path) -> Path:
    path = world / "items.json"
    items = [item(shot, str(world)) for shot in SHOTS]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def polygons(path: Path, *shapes: Polygon) -> Path:
    geopandas.GeoDataFrame({"name": [str(i) for i in range(len(shapes))]}, geometry=list(shapes), crs=A.epsg).to_file(
        path
    )
    return path


@pytest.fixture(scope="module")
def square(tmp_path_factory) -> Path:
    shape = box(A.x0, A.y0 - 960, A.x0 + 960, A.y0)
    return polygons(tmp_path_factory.mktemp("area") / "square.gpkg", shape)


@pytest.mark.parametrize("where", ["threads", "cluster"])
def test_every_trouble_is_named_once_and_the_scenes_are_listed_once(
    run, where: str, catalog: Path, square: Path, tmp_path: Path
):
    workers = ["--dask", "local:2"] if where == "cluster" else ["--workers", "2"]
    options = ["--aoi", square, "--catalog", catalog, "--period", SEASON, "--block", "48", *workers]
    said = run("embed-area", *options, "-o", tmp_path / "s.zarr", "--json")
    assert said.exit_code == 0, said.stderr
    assert json.loads(said.stdout)["blocks"] == 4
    assert [BROKEN in line for line in said.stderr.splitlines() if line.startswith("warning: ")] == [False, True]
    assert said.stderr.count(BROKEN) == 1
    lines = (tmp_path / "s.zarr.manifest.jsonl").read_text().splitlines()
    facts = [json.loads(line)["facts"] for line in lines[1:5]]
    # The names of a country's scenes beside each of its blocks would be gigabytes, in the file and in memory.
    assert ["scenes" in block["input"] for block in facts] == [True, False, False, False]
    assert all(BROKEN in block["failed"][0] for block in facts)
    about = json.loads((tmp_path / "s.zarr" / "zarr.json").read_text())["attributes"]["timesenclip_status"]
    assert len(about["provenance"]["input"]["failed"]) == 1
    assert BROKEN in about["provenance"]["input"]["failed"][0]


def test_what_only_the_last_block_cannot_read_stands_in_the_provenance(run, catalog: Path, tmp_path: Path):
    # Tile B, the right half, alone covers the last columns; its SCL of February is gone.
    items = json.loads(catalog.read_text())
    for one in items["features"]:
        if one["id"] == SHOTS[8].id:
            one["assets"]["SCL"]["href"] = str(tmp_path / "nowhere.tif")
    (tmp_path / "items.json").write_text(json.dumps(items))
    aoi = polygons(tmp_path / "wide.gpkg", box(A.x0, A.y0 - 480, A.x0 + 1200, A.y0))
    options = [
        "--aoi",
        aoi,
        "--catalog",
        tmp_path / "items.json",
        "--allow-elsewhere",
        "--period",
        SEASON,
        "--block",
        "16",
        "--workers",
        "1",
    ]
    said = run("map", *options, "-p", "maize", "-o", tmp_path / "map", "--no-scores")
    assert said.exit_code == 0, said.stderr
    assert "or lie outside the area (nodata)" in said.stdout
    failed = json.loads((tmp_path / "map" / "provenance.json").read_text())["input"]["failed"]
    assert [text.split(" (")[0] for text in failed] == sorted([f"{SHOTS[8].id} SCL", BROKEN])


def test_a_plan_counts_what_scenes_show_of_the_polygon(catalog: Path, tmp_path: Path):
    triangle = polygons(
        tmp_path / "t.gpkg", Polygon([(A.x0, A.y0), (A.x0 + 960, A.y0), (A.x0 + 960, A.y0 - 960), (A.x0, A.y0)])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegradedInputWarning)
        source = open_stac(triangle, SEASON, catalog=catalog)
        plan = plan_area(source, load(), dims=64, period=None, every="month", block=32, workers=1)
    per_pixel = 4 * 2 + 6 * 2 / 4 + 1 / 4
    most = len(source.scenes) * 96 * 96 / 2 * per_pixel
    # Outlines are a little wider than tiles, so that those of B, which show a part, count almost whole.
    assert 0.9 * most < plan.read_bytes <= most * 1.01
    assert plan.inside == pytest.approx(96 * 96 / 2, rel=0.01)
    assert plan.output_bytes == int(plan.inside * (64 + 9) * 4 / 3)
    row, column = source.typical_place
    assert source.read((row, row + 1, column, column + 1), mask=False).valid.any()
    half = source.expected_observations("2021-11..2021-12")
    assert half + source.expected_observations("2022-01..2022-02") == pytest.approx(source.expected_observations())
    with pytest.raises(InputError, match=r"300 dimensions were asked for; .* have 256"):
        plan_area(source, load(), dims=300, period=None, every="month", block=32, workers=1)


def test_blocks_outside_the_polygon_are_not_embedded(catalog: Path, tmp_path: Path):
    corner = polygons(tmp_path / "c.gpkg", Polygon([(A.x0, A.y0), (A.x0 + 640, A.y0), (A.x0, A.y0 - 640)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegradedInputWarning)
        source = open_stac(corner, SEASON, catalog=catalog)
        done = embed_area(source, tmp_path / "c.zarr", block=32, workers=1)
    assert done.blocks == 4
    assert not done.store.has((32, 64, 32, 64))
    seen = done.store.read().scale > 0
    assert not seen[32:, 32:].any()
    assert seen.sum() == done.seen > 0


def test_months_of_change_are_searched_for_again(run, tmp_path: Path):
    shots = tuple(
        Shot(A, f"{year}-{month}-10T10:40:21", "04.00", seed)
        for year, month, seed in ((2022, "05", 1), (2022, "08", 2), (2023, "05", 1), (2023, "08", 3))
    )
    write_world(tmp_path / "world", shots)
    aoi = polygons(tmp_path / "a.gpkg", box(A.x0, A.y0 - 640, A.x0 + 640, A.y0 - 320))
    stores = [tmp_path / f"{year}.zarr" for year in (2022, 2023)]
    with serve(tmp_path / "world", shots) as server:
        search = ["--aoi", aoi, "--catalog", server.url]
        for store, year in zip(stores, (2022, 2023), strict=True):
            assert run("embed-area", *search, "--year", year, "-o", store).exit_code == 0
        said = run("change", *stores, *search, "--threshold", "0", "-o", tmp_path / "change", "--json")
        assert said.exit_code == 0, said.stderr
        # The same pixels in May: what differs, differs in August, where clouds do not hide it in one of the years.
        months = json.loads(said.stdout)["months"]
        assert list(months) == ["August"]
        assert months["August"] > 0.8
        pair = [open_stac(aoi, year, catalog=server.url).read() for year in (2022, 2023)]
        other = run("change", *stores, *search[2:], "--aoi", "5.99,50.8,6.0,50.805", "-o", tmp_path / "no")
    with rasterio.open(tmp_path / "change" / "month.tif") as raster:
        month = raster.read(1)
    expected = month_of_change(*pair)
    assert set(np.unique(month)) <= {0, 8, 255}
    np.testing.assert_array_equal(month[month == 8], expected[month == 8])
    assert other.exit_code == 2
    assert "give the area that the store was made of" in other.stderr


def test_strict_holds_on_a_cluster(run, world: Path, square: Path, tmp_path: Path):
    items = [item(shot, str(world)) for shot in SHOTS if shot.without is None]
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    search = ["--aoi", square, "--catalog", path, "--allow-elsewhere", "--period", SEASON]
    options = [*search, "--block", "48", "-o", tmp_path / "s.zarr"]
    said = run("embed-area", *options, "--dask", "local:1", "--strict")
    assert said.exit_code == 2
    assert said.stderr.count(BROKEN) == 1
    again = run("embed-area", *options, "--json")
    assert json.loads(again.stdout)["reused_blocks"] == 4


def test_zones_elsewhere_are_refused_before_anything_is_read(run, catalog: Path, square: Path, tmp_path: Path):
    far = polygons(tmp_path / "far.gpkg", box(B.x0 + 9e5, B.y0, B.x0 + 9.1e5, B.y0 + 900))
    options = ["--aoi", square, "--catalog", catalog, "--period", SEASON, "-p", "maize", "-o", tmp_path / "map"]
    said = run("map", *options, "--zones", far)
    assert said.exit_code == 2
    assert "None of the 1 zones in" in said.stderr
    assert not (tmp_path / "map").exists()
    some = polygons(
        tmp_path / "some.gpkg", box(A.x0, A.y0 - 100, A.x0 + 100, A.y0), box(A.x0, A.y0 + 100, A.x0 + 9, A.y0 + 200)
    )
    grid = {"shape": (96, 96), "crs": f"EPSG:{A.epsg}", "transform": Affine(10.0, 0.0, A.x0, 0.0, -10.0, A.y0)}
    with pytest.warns(DegradedInputWarning, match=r"1 of 2 zones .* lie outside the area"):
        check_zones(some, **grid)


def test_outputs_and_addresses_that_cannot_be_used_are_said(run, world: Path, catalog: Path, square: Path, tmp_path):
    (tmp_path / "file").write_text("")
    options = ["--aoi", square, "--period", SEASON, "--catalog", catalog]
    for command in (
        ["map", "-p", "maize", "-o", tmp_path / "file"],
        ["embed-area", "-o", tmp_path / "file" / "s.zarr"],
    ):
        said = run(*command, *options)
        assert said.exit_code == 2
        assert "give another output." in said.stderr
        assert (tmp_path / "file").read_text() == ""
    with serve(world) as server:
        said = run("map", *options[:4], "--catalog", f"{server.url}/token", "-p", "maize", "-o", tmp_path / "out")
    assert said.exit_code == 2
    assert "/token answers, but is no STAC catalogue" in said.stderr


def test_a_plan_counts_the_workers_of_a_cluster():
    from distributed import LocalCluster

    from timesenclip.mapping.run.executor import worker_count
    from timesenclip.settings import cpu_count

    quiet = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    with LocalCluster(n_workers=1, threads_per_worker=3, processes=True, **quiet) as cluster:
        assert worker_count(None, cluster.scheduler_address) == 3
    assert worker_count(None, "local:5") == 5
    assert worker_count(7, None) == 7
    assert worker_count(None, None) == cpu_count()
    for address in ("local:x", "somewhere"):
        with pytest.raises(InputError, match="--dask"):
            worker_count(None, address)
