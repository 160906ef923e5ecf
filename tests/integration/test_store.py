"""An area is embedded once and asked: equal to `map`, and the same bytes whoever works and whatever stops it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from rio_cogeo.cogeo import cog_validate

from timesenclip.demo import DEMO_CLASSES
from timesenclip.eo.area import AreaSource
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import (
    CheckpointError,
    DegradedInputWarning,
    GridError,
    InputError,
    NoClearObservationError,
    PartialFailureError,
    TimeError,
    TowerError,
)
from timesenclip.grid import six_numbers
from timesenclip.mapping.ask_store import ask_store
from timesenclip.mapping.change import change_stores
from timesenclip.mapping.embed_area import StoreResult, embed_area
from timesenclip.mapping.map_area import map_cube
from timesenclip.mapping.query import make_query
from timesenclip.mapping.store.scoring import load_area, score_area
from timesenclip.mapping.store.sidecars import manifest_path
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model, load, save
from timesenclip.model.checkpoint_config import TowerRef
from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.simulate.scene import simulate_scene
from timesenclip.testing import write_zarr_cube

SIZE = 48
PHRASES = ["maize", "grassland", "water"]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def source(place: Path) -> AreaSource:
    """A simulated landscape of 48 x 48 pixels; a corner was never seen, another only once."""
    cube = simulate_scene(rng=np.random.default_rng(7), size=SIZE).cube
    valid = cube.valid.copy()
    valid[:, :12, :8] = False
    valid[1:, -6:, -6:] = False
    valid[0, -6:, -6:] = True
    reflectance = np.where(cube.reflectance > 0, cube.reflectance, 0.02) * valid[:, None]
    path = write_zarr_cube(replace(cube, valid=valid, reflectance=reflectance.astype(np.float32)), place / "scene.zarr")
    return open_cube(path, dilate_px=0)


@pytest.fixture(scope="module")
def full(source: AreaSource, place: Path, model: Model) -> StoreResult:
    """All 256 dimensions, in four blocks."""
    return embed_area(source, place / "full.zarr", model=model, block=32)


@pytest.fixture(scope="module")
def small(source: AreaSource, place: Path, model: Model) -> StoreResult:
    """64 dimensions, in 9 blocks."""
    return embed_area(source, place / "small.zarr", model=model, dims=64, block=16, workers=1)


def test_answers_of_a_store_are_those_of_a_map(source, full, small, model, tmp_path: Path) -> None:
    mapped = map_cube(source, DEMO_CLASSES, out=tmp_path / "map", model=model)
    with rasterio.open(mapped.files["classes"]) as raster:
        expected = raster.read(1)
    with rasterio.open(mapped.files["scores"]) as raster:
        cosines = raster.read()
    for result, agreement, error in ((full, 0.995, 0.006), (small, 0.98, 0.05)):
        answer = ask_store(result.store, DEMO_CLASSES, out=tmp_path / f"{result.store.info.dims}")
        with rasterio.open(answer.files["classes"]) as raster:
            values = raster.read(1)
        with rasterio.open(answer.files["scores"]) as raster:
            scores = raster.read()
        assert np.array_equal(values == 255, expected == 255)
        seen = expected != 255
        assert (values == expected)[seen].mean() >= agreement
        assert np.abs(scores - cosines)[:, seen].max() < error
        assert answer.nodata_pixels == mapped.nodata_pixels == 12 * 8
        assert sum(area.share for area in answer.areas) == pytest.approx(1)
        assert sum(area.pixels for area in answer.areas) == SIZE * SIZE - 12 * 8
        for ours, theirs in zip(answer.areas, mapped.areas, strict=True):
            assert (ours.name, ours.value, ours.colour) == (theirs.name, theirs.value, theirs.colour)
            assert ours.hectares == pytest.approx(ours.pixels / 100)
        # The picture's true colour is the map's, but for eight bits.
        difference = np.abs(answer.preview.true_colour - mapped.preview.true_colour)[seen[:: answer.preview.step]]
        assert difference.max() < 0.008


def test_every_answer_is_a_cog_that_gdal_understands(full, tmp_path: Path) -> None:
    answer = ask_store(full.store, PHRASES, out=tmp_path)
    for name in ("classes", "confidence", "scores", "clear"):
        valid, errors, _ = cog_validate(answer.files[name], strict=True)
        assert valid, errors
        with rasterio.open(answer.files[name]) as raster:
            assert raster.crs.to_wkt() == rasterio.crs.CRS.from_user_input(full.store.info.crs).to_wkt()
            assert raster.transform == full.store.info.transform
            assert raster.nodata == {"classes": 255, "confidence": 255, "scores": -9999, "clear": 0}[name]
            assert "STATISTICS_MEAN" in raster.tags(1)
    with rasterio.open(answer.files["classes"]) as raster:
        assert raster.colormap(1)[0] == (128, 128, 128, 255)
        assert raster.tags()["CLASS_2"] == "grassland"
    assert "<Category>grassland</Category>" in Path(f"{answer.files['classes']}.aux.xml").read_text()
    page = answer.files["page"].read_text()
    assert "keeps no time series" in page
    about = json.loads(answer.files["provenance"].read_text())
    assert about["prompts"]["maize"] == ["maize"]
    assert about["checkpoint"]["digest"] == full.store.info.digest


def test_scoring_from_disk_from_memory_and_of_overviews_agree(source, place: Path, model: Model, full) -> None:
    question = make_query(full.store, PHRASES)
    from_disk = score_area(full.store, question.vectors)
    # Equal but for the last bit: a matrix product sums in another order where it has another number of rows.
    in_memory = load_area(full.store).scores(question.vectors)
    np.testing.assert_allclose(from_disk, in_memory, rtol=0, atol=2 * np.finfo(np.float32).eps)
    cube = source.read(every=None)
    wide = replace(
        cube,
        reflectance=np.tile(cube.reflectance[:, :, 20:41], (1, 1, 1, 6))[..., :264],
        valid=np.tile(cube.valid[:, 20:41], (1, 1, 6))[..., :264],
    )
    path = write_zarr_cube(wide, place / "wide.zarr")
    result = embed_area(open_cube(path, dilate_px=0), place / "wide-store.zarr", model=model, dims=32, block=32)
    assert result.store.info.level_shapes == ((21, 264), (11, 132))
    question = make_query(result.store, PHRASES)
    fine = score_area(result.store, question.vectors)
    coarse = score_area(result.store.at_level(1), question.vectors)
    pooled = fine[:20].reshape(10, 2, 132, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(pooled.ravel(), coarse[:10].ravel())[0, 1] > 0.98
    assert np.allclose(fine[20].reshape(132, 2, 3).mean(axis=1), coarse[10], atol=0.08)
    with_overviews = xr.open_zarr(result.store.path / "level1", consolidated=False)
    assert float(with_overviews.x[0]) == result.store.info.transform[2] + 10


def test_zones_are_counted_by_pixel_centre(full, tmp_path: Path) -> None:
    a, _, c, _, e, f = six_numbers(full.store.info.transform)
    boxes = [
        shapely.box(c + 20 * a, f + 40 * e, c + 40 * a, f + 10 * e),  # 20 x 30 pixels
        shapely.box(c - 100 * a, f + 10 * e, c + 8 * a, f + 100 * a),  # 8 x 10 of it inside, never seen
        shapely.box(c - 100 * a, f, c - 90 * a, f + 100 * a),  # outside
        shapely.Polygon([(c, f + 40 * e), (c + 20 * a, f + 20 * e), (c + 20 * a, f + 40 * e), (c, f + 20 * e)]),
    ]
    frame = geopandas.GeoDataFrame({"parcel": list("abcd")}, geometry=boxes, crs=full.store.info.crs)
    frame.to_crs(4326).to_file(tmp_path / "zones.gpkg")
    with pytest.warns(DegradedInputWarning, match="1 of 4 zones"):
        answer = ask_store(full.store, PHRASES, out=tmp_path / "out", zones=tmp_path / "zones.gpkg", scores=False)
    assert "scores" not in answer.files
    table = geopandas.read_parquet(answer.files["zones"])
    assert table["pixels"].tolist()[:3] == [600, 80, 0]
    assert table["pixels"][3] == pytest.approx(200, abs=20)
    assert table["hectares"][0] == pytest.approx(6)
    assert table["nodata_share"].tolist()[:2] == [0, 1]
    with rasterio.open(answer.files["classes"]) as raster:
        inside = raster.read(1)[10:40, 20:40]
    assert table["unknown_share"][0] == pytest.approx((inside == 0).mean())
    for value, phrase in enumerate(PHRASES, start=1):
        assert table[f"share: {phrase}"][0] == pytest.approx((inside == value).mean())
    counts = np.bincount(inside.ravel(), minlength=4)
    assert table["label"][0] == ["unknown", *PHRASES][int(counts.argmax())]
    flat = pd.read_csv(answer.files["zones_csv"])
    assert flat["parcel"].tolist() == list("abcd")
    assert "geometry" not in flat.columns


def test_maps_never_go_into_a_store(source, full, model) -> None:
    store = full.store.path
    before = files_of(store)
    for write in (
        lambda: ask_store(store, ["maize"], out=store),
        lambda: change_stores(store, store, out=store),
        lambda: map_cube(source, ["maize"], out=store, model=model),
    ):
        with pytest.raises(InputError, match="is a Zarr store, and maps must not be written into it"):
            write()
    assert files_of(store) == before


def test_zones_that_cannot_be_used_are_refused(full, tmp_path: Path) -> None:
    points = geopandas.GeoDataFrame(geometry=[shapely.Point(3, 50)], crs=4326)
    points.to_parquet(tmp_path / "points.parquet")
    geopandas.GeoDataFrame(geometry=[shapely.box(3, 50, 4, 51)]).to_parquet(tmp_path / "nowhere.parquet")
    for name, kind, words in (("points", InputError, "must be polygons"), ("nowhere", GridError, "has no CRS")):
        with pytest.raises(kind, match=words):
            ask_store(full.store, PHRASES, out=tmp_path / "out", zones=tmp_path / f"{name}.parquet")


def test_pixels_with_too_few_clear_observations_are_masked(full, tmp_path: Path) -> None:
    answer = ask_store(full.store, PHRASES, out=tmp_path, min_clear=2, scores=False)
    with rasterio.open(answer.files["classes"]) as raster:
        values = raster.read(1)
    assert (values[-6:, -6:] == 255).all()
    assert answer.provenance["masked_pixels"] == 36
    assert answer.nodata_pixels == 12 * 8 + 36
    with pytest.raises(NoClearObservationError, match="13 clear"):
        ask_store(full.store, PHRASES, out=tmp_path / "none", min_clear=13)
    assert not (tmp_path / "none").exists()


def test_the_same_bytes_with_any_number_of_workers(source, small, model, place: Path) -> None:
    again = embed_area(source, place / "small-again" / "small.zarr", model=model, dims=64, block=16, workers=3)
    assert files_of(again.store.path) == files_of(small.store.path)
    assert again.item.read_bytes() == small.item.read_bytes()


def test_killed_at_random_moments_and_run_again_the_bytes_are_the_same(source, small, tmp_path: Path) -> None:
    child = Path(__file__).with_name("kill_child.py")
    arguments = ["store", source.source_name, small.store.path, tmp_path / "small.zarr", 6, 1]
    done = subprocess.run(
        [sys.executable, child, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3  # kills that hit a run which was not over yet
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"small.zarr", "small.zarr.manifest.jsonl", "small.zarr.item.json"}
    assert (tmp_path / "small.zarr.item.json").read_bytes() == small.item.read_bytes()


def test_a_small_block_needs_no_shards_so_that_gdal_reads_its_vectors(full, source, model, tmp_path: Path) -> None:
    """GDAL 3.12 reads these stores whole (tried by hand; it says `Unsupported codec: sharding_indexed` of others)."""
    for store in (full.store, embed_area(source, tmp_path / "small.zarr", model=model, dims=16, block=16).store):
        for name in ("vectors", "scale", "clear", "colour"):
            about = json.loads((store.path / name / "zarr.json").read_text())
            assert about["codecs"][0]["name"] == "bytes"
            assert "wkt" in about["attributes"]["_CRS"]


def test_pixels_of_another_source_are_not_mixed_in(source, model, tmp_path: Path) -> None:
    half = Flaky(source, {(0, 32)})
    with pytest.raises(PartialFailureError, match="1 of 4 blocks"):
        embed_area(half, tmp_path / "area.zarr", model=model, block=32, workers=1)
    other = open_cube(source.source_name, dilate_px=0, offset_dn=1000)
    with pytest.raises(InputError, match=r"made with source 'scene.zarr \(\w+\)', this is 'scene.zarr"):
        embed_area(other, tmp_path / "area.zarr", model=model, block=32)


def test_dask_with_a_worker_killed_in_the_middle_writes_the_same_bytes(source, small, model, tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    quiet = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **quiet) as cluster:
        with Client(cluster) as client:
            pids = list(client.run(os.getpid).values())
        killed: list[int] = []

        def kill_one(done: int, total: int) -> None:
            if not killed and 0 < done < total:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        result = embed_area(
            source,
            tmp_path / "small.zarr",
            model=model,
            dims=64,
            block=16,
            dask=cluster.scheduler_address,
            progress=kill_one,
        )
    assert killed
    assert files_of(result.store.path) == files_of(small.store.path)


@dataclass
class Flaky:
    """An area some of whose windows cannot be read."""

    source: Any
    broken: set[tuple[int, int]]
    tries: list[tuple[int, ...]] = field(default_factory=list)
    once: bool = False
    error: Exception = field(default_factory=lambda: OSError(28, "No space left on device"))

    shape = property(lambda self: self.source.shape)
    crs = property(lambda self: self.source.crs)
    transform = property(lambda self: self.source.transform)
    source_name = property(lambda self: self.source.source_name)
    identity = property(lambda self: self.source.identity)

    def read(self, window=None, **how: Any) -> Any:
        self.tries.append(window)
        if (window[0], window[2]) in self.broken:
            if self.once:
                self.broken.discard((window[0], window[2]))
            raise self.error
        return self.source.read(window, **how)

    def check_offset(self, period: Any = None) -> None:
        """Nothing: the source was checked before."""

    def bands_there(self, period: Any = None) -> tuple[str, ...]:
        """Those of the source."""
        return self.source.bands_there(period)

    def blocks(self, *_: Any, **__: Any) -> Iterator[Any]:
        raise AssertionError("blocks are planned by the store")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.mapping.run.attempt._FIRST_WAIT_S", 0.001)


@pytest.mark.usefixtures("quick")
def test_a_failed_block_is_named_the_rest_is_kept_and_the_next_run_does_only_it(
    source, full, model, tmp_path: Path
) -> None:
    area = Flaky(source, {(0, 32), (32, 32)})
    out = tmp_path / "full.zarr"
    with pytest.raises(PartialFailureError, match=r"2 of 4 blocks failed.*columns 32-48 .*No space left on device"):
        embed_area(area, out, model=model, block=32, workers=1)
    assert area.tries.count((0, 32, 32, 48)) == 3  # the first and two more attempts
    with pytest.raises(InputError, match="is not complete"):
        ask_store(out, PHRASES, out=tmp_path / "answer")
    area = Flaky(source, set())
    result = embed_area(area, out, model=model, block=32, workers=1)
    assert sorted(area.tries) == [(0, 32, 32, 48), (32, 48, 32, 48)]
    assert result.reused == 2
    assert files_of(out) == files_of(full.store.path)


@pytest.mark.usefixtures("quick")
def test_an_error_that_passes_costs_nothing_and_one_that_does_not_is_said_as_it_is(
    source, full, model, tmp_path: Path
) -> None:
    area = Flaky(source, {(0, 0)}, once=True)
    result = embed_area(area, tmp_path / "full.zarr", model=model, block=32, workers=1)
    assert len(area.tries) == 5
    assert files_of(result.store.path) == files_of(full.store.path)
    with pytest.raises(OSError, match="No space left"):
        embed_area(
            Flaky(source, {(0, 0), (0, 32), (32, 0), (32, 32)}), tmp_path / "x.zarr", model=model, block=32, workers=1
        )
    with pytest.raises(TimeError, match="no image in 1999"):
        embed_area(source, tmp_path / "y.zarr", model=model, period=1999, block=32)


def test_a_store_of_another_job_is_refused_in_one_line(source, full, model, tmp_path: Path) -> None:
    other = Model(model.encoder, model.config, digest="another")
    before = files_of(full.store.path)
    year = int(str(source.dates[0])[:4])
    for words, how in (
        ("digest '[0-9a-f]+', this is 'another'", {"model": other}),
        (f"period 'all', this is '{year}-01-01", {"period": year}),
        ("every 'month', this is 'quarter'", {"every": "quarter"}),
        ("dims 256, this is 64", {"dims": 64}),
        ("block 32, this is 16", {"block": 16}),
    ):
        with pytest.raises(InputError, match=f"was made with {words}.*give another output") as caught:
            embed_area(source, full.store.path, **{"model": model, "block": 48, **how})
        assert "\n" not in str(caught.value)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is no embedding store"):
        embed_area(source, tmp_path / "folder", model=model)
    with pytest.raises(InputError, match=r"300 dimensions were asked for; the embeddings .* have 256"):
        embed_area(source, tmp_path / "z.zarr", model=model, dims=300)
    with pytest.raises(InputError, match="Blocks of 100 pixels"):
        embed_area(source, tmp_path / "z.zarr", model=model, block=100)
    assert files_of(full.store.path) == before


def test_a_block_without_observations_is_nodata_and_a_removed_file_is_made_again(
    source, full, model, tmp_path: Path
) -> None:
    area = Flaky(source, {(0, 32)}, error=NoClearObservationError("nothing but cloud"))
    result = embed_area(area, tmp_path / "full.zarr", model=model, block=32)
    assert (result.store.read((0, 32, 32, 48)).scale == 0).all()
    assert result.seen == full.seen - 32 * 16
    (result.store.path / "scale" / "c" / "1" / "0").unlink()
    area = Flaky(source, set())
    again = embed_area(area, result.store.path, model=model, block=32)
    assert area.tries == [(32, 48, 0, 32)]
    assert again.reused == 3
    assert np.array_equal(again.store.read((32, 48, 0, 48)).vectors, full.store.read((32, 48, 0, 48)).vectors)


def test_a_removed_store_is_made_again_although_its_manifest_is_there(source, full, model, tmp_path: Path) -> None:
    manifest_path(tmp_path / "full.zarr").write_bytes(full.manifest.read_bytes())
    result = embed_area(source, tmp_path / "full.zarr", model=model, block=32)
    assert result.reused == 0
    assert files_of(result.store.path) == files_of(full.store.path)


@pytest.fixture(scope="module")
def clip_checkpoint(place: Path) -> Path:
    """A checkpoint whose tower is a tiny CLIP, which reads photographs."""
    spec = importlib.util.spec_from_file_location(
        "tiny_models", Path(__file__).parents[1] / "unit" / "ground" / "tiny_models.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tiny_models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny_models)
    tower = tiny_models.save_tiny_clip(place / "clip")
    config = EncoderConfig(dim=16, depth=1, heads=2, ffn_dim=16, embed_dim=12, positions="calendar")
    base = load().config
    made = base.model_copy(
        update={
            "name": "tiny-clip",
            "encoder": config.to_dict(),
            "tower": TowerRef(name=str(tower), dim=12),
            "calibration": base.calibration.model_copy(update={"unknown_score": None}),
        }
    )
    return save(Model(SeriesEncoder(config), made), place / "tiny-clip-checkpoint")


def test_a_photograph_asks_as_words_do(source, clip_checkpoint: Path, place: Path, tmp_path: Path) -> None:
    from PIL import Image

    model = load(clip_checkpoint)
    result = embed_area(source, place / "clip-store.zarr", model=model, block=32)
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "meadow.png")
    Image.fromarray(255 - pixels).save(tmp_path / "street.jpg")
    photos = [tmp_path / "meadow.png", tmp_path / "street.jpg"]
    answer = ask_store(result.store, photos=photos, out=tmp_path / "out", model=model)
    assert answer.taxonomy.names == ("meadow", "street")
    with rasterio.open(answer.files["scores"]) as raster:
        scores = raster.read()
        assert raster.descriptions == ("meadow", "street")
    vectors = model.tower.encode_images(photos)
    expected = np.moveaxis(result.store.read().unpacked() @ vectors.T, -1, 0)
    seen = scores[0] != -9999
    assert np.allclose(scores[:, seen], expected[:, seen], atol=1e-5)


def test_a_question_with_another_tower_is_refused_with_both_names(full, clip_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TowerError, match=r"tower 'compact'.*'tiny-clip' has '.*clip'"):
        ask_store(full.store, PHRASES, out=tmp_path / "out", model=clip_checkpoint)
    with pytest.raises(TowerError, match="reads text only"):
        ask_store(full.store, photos=[tmp_path / "photo.jpg"], out=tmp_path / "out")
    with pytest.raises(InputError, match="one of them"):
        ask_store(full.store, out=tmp_path / "out")


def test_change_is_found_where_it_happened_and_nowhere_else(source, full, small, model, place: Path, tmp_path) -> None:
    cube = source.read(every=None)
    later = cube.reflectance.copy()
    # A block of pixels becomes what another place is, from May on.
    later[4:, :, 30:40, 20:34] = cube.reflectance[4:, :, 5:15, 30:44]
    after = replace(cube, reflectance=later)
    path = write_zarr_cube(after, place / "later.zarr")
    second_source = open_cube(path, dilate_px=0)
    second = embed_area(second_source, place / "later-store.zarr", model=model, block=32)
    result = change_stores(
        full.store,
        second.store,
        out=tmp_path,
        query=make_query(full.store, DEMO_CLASSES),
        cubes=(source, second_source),
        threshold=0.01,
    )
    with rasterio.open(result.files["changed"]) as raster:
        changed = raster.read(1)
        assert raster.nodata == 255
    truth = np.zeros((SIZE, SIZE), dtype=bool)
    truth[30:40, 20:34] = True
    assert (changed[:12, :8] == 255).all()
    assert set(np.flatnonzero((changed == 1).ravel())) <= set(np.flatnonzero(truth.ravel()))
    assert (changed == 1)[truth].mean() > 0.7
    assert result.changed == (changed == 1).sum()
    assert result.compared == SIZE * SIZE - 12 * 8
    assert result.hectares == pytest.approx(result.changed / 100)
    with rasterio.open(result.files["month"]) as raster:
        months = raster.read(1)
    assert set(np.unique(months[changed == 1])) <= set(range(5, 13))
    assert sum(result.months.values()) == pytest.approx(1)
    with rasterio.open(result.files["before"]) as raster:
        before = raster.read(1)
    with rasterio.open(result.files["after"]) as raster:
        values = raster.read(1)
    assert sum(t.pixels for t in result.transitions) == (before != values).sum() > 0
    for name in ("distance", "changed", "month", "before", "after"):
        assert cog_validate(result.files[name], strict=True)[0]
    statistics = json.loads(result.files["statistics"].read_text())
    assert statistics["changed"] == result.changed
    same = change_stores(full.store, full.store, out=tmp_path / "same")
    assert same.changed == 0
    # Stores of different dimensions are compared in the space of both.
    mixed = change_stores(full.store, _coarser(second_source, model, place).store, out=tmp_path / "mixed")
    assert mixed.changed > 0.7 * truth.sum()


def _coarser(source: AreaSource, model: Model, place: Path) -> StoreResult:
    return embed_area(source, place / "later-64.zarr", model=model, dims=64, block=32)


def test_stores_that_cannot_be_compared_are_refused(
    source, full, clip_checkpoint: Path, model, place, tmp_path
) -> None:
    other = embed_area(source, place / "clip-store.zarr", model=load(clip_checkpoint), block=32)
    with pytest.raises(CheckpointError, match="cannot be compared"):
        change_stores(full.store, other.store, out=tmp_path)
    moved = replace(full.store, info=full.store.info.model_copy(update={"transform": Affine(10.0, 0, 0, 0, -10.0, 0)}))
    with pytest.raises(GridError, match="different grids"):
        change_stores(full.store, moved, out=tmp_path)


def test_the_commands(run, source, tmp_path: Path) -> None:
    store = tmp_path / "area.zarr"
    plan = json.loads(run("embed-area", source.source_name, "-o", store, "--dims", 32, "--dry-run", "--json").stdout)
    assert not store.exists()
    assert plan["blocks"] == 1
    assert plan["pixels"] == SIZE * SIZE
    assert plan["output_bytes"] == int(SIZE * SIZE * (32 + 9) * 4 / 3)
    assert plan["hours"] > 0
    said = json.loads(run("embed-area", source.source_name, "-o", store, "--dims", 32, "--json").stdout)
    assert (said["dims"], said["pixels"], said["reused_blocks"]) == (32, SIZE * SIZE, 0)
    again = run("embed-area", source.source_name, "-o", store, "--dims", 32)
    assert "done by an earlier run" in again.stderr
    refused = run("embed-area", source.source_name, "-o", store, "--dims", 16)
    assert refused.exit_code == 2
    assert re.fullmatch(r"error: The store .* was made with dims 32, this is 16; .*\n", refused.stderr)
    answer = json.loads(run("ask", store, "-p", "maize", "-p", "water", "-o", tmp_path / "answer", "--json").stdout)
    assert [row["label"] for row in answer["classes"]] == ["maize", "water", "unknown"]
    assert all(Path(path).is_file() for path in answer["files"].values())
    result = json.loads(run("change", store, store, "-o", tmp_path / "change", "-p", "maize", "--json").stdout)
    assert result["changed"] == 0
    assert "0 of" in run("change", store, store, "-o", tmp_path / "change").stdout
    assert run("ask", tmp_path / "none.zarr", "-p", "maize", "-o", tmp_path / "x").exit_code == 2
    assert run("embed-area", source.source_name, "-o", store, "--dask", "nowhere").exit_code == 2
    assert EmbeddingStore.open(store).info.dims == 32
