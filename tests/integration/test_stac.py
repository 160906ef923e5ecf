"""Search and load, over COGs of two tiles and an unreliable STAC API: the arrays behind the COGs are the truth."""

from __future__ import annotations

import json
import pickle
import sys
import urllib.request
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.area import read_blocks
from timesenclip.eo.composite import composite_cube
from timesenclip.eo.stac.aoi import open_aoi
from timesenclip.eo.stac.open import open_stac
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError, MissingExtraError, TimeError
from timesenclip.grid import Grid
from timesenclip.mapping.map_area import map_cube
from timesenclip.series import Cube

from .stac_world import GOOD, SHOTS, SIZE, A, B, Shot, item, serve, write_cog

SEASON = "2021-11..2022-02"
MONTHS = np.arange("2021-11", "2022-03", dtype="datetime64[M]")
FAST = {"wait_s": 0.01}


@pytest.fixture(scope="module")
def area(tmp_path_factory) -> Path:
    """The square of tile A and a part of tile B, as a GeoPackage in the CRS of A."""
    import geopandas
    from shapely.geometry import box

    path = tmp_path_factory.mktemp("area") / "square.gpkg"
    square = box(A.x0, A.y0 - SIZE * 10, A.x0 + 1200, A.y0)
    geopandas.GeoDataFrame(geometry=[square], crs=A.epsg).to_file(path)
    return path


@pytest.fixture
def catalog(world: Path) -> Path:
    """The world as an ItemCollection on disk, beside its files."""
    return write_items(world / "items.json", [item(shot, ".") for shot in SHOTS])


def write_items(path: Path, items: list[dict]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def on_grid(shot: Shot, grid: Grid, epsg: int) -> tuple[np.ndarray, np.ndarray]:
    """Reflectance (C, y, x), NaN in a band that it does not have, and valid (y, x) of a shot, from its arrays alone."""
    x = grid.x0 + 10 * (np.arange(grid.shape[1]) + 0.5)
    y = grid.y0 - 10 * (np.arange(grid.shape[0]) + 0.5)
    x, y = np.meshgrid(x, y)
    if shot.tile.epsg != epsg:
        x, y = Transformer.from_crs(epsg, shot.tile.epsg, always_xy=True).transform(x, y)

    def look_up(values: np.ndarray) -> np.ndarray:
        side = SIZE * 10 / len(values)
        row, column = np.floor((shot.tile.y0 - y) / side).astype(int), np.floor((x - shot.tile.x0) / side).astype(int)
        inside = (row >= 0) & (row < len(values)) & (column >= 0) & (column < len(values))
        return np.where(inside, values[row.clip(0, len(values) - 1), column.clip(0, len(values) - 1)], 0)

    surface = shot.surface()
    scl = surface[SCL_NAME]
    cloud = np.pad(np.isin(scl, [3, 8, 9, 10]), 1)
    n = len(scl)
    grown = np.any([cloud[i : i + n, j : j + n] for i in range(3) for j in range(3)], axis=0)
    bands = np.stack([look_up(surface[name]) for name in BAND_NAMES])
    there = np.array([name != shot.without for name in BAND_NAMES])
    valid = (look_up(np.where(grown, 0, scl)) > 1) & (bands[there] > 0).all(axis=0)
    reflectance = (bands.astype(np.float32) / np.float32(10_000)) * valid
    return np.where(there[:, None, None], reflectance, np.float32(np.nan)), valid


def truth(grid: Grid, epsg: int, shots: tuple[Shot, ...] = GOOD) -> tuple[np.ndarray, np.ndarray]:
    """Monthly medians of the mosaics of each day: (K, C, y, x), and where there are any (K, y, x)."""
    found = composites_of(grid, epsg, shots)
    return np.nan_to_num(found), np.isfinite(found).any(axis=1)


def composites_of(grid: Grid, epsg: int, shots: tuple[Shot, ...]) -> np.ndarray:
    """As `truth`; NaN where a band was not seen."""
    days: dict[np.datetime64, tuple[np.ndarray, np.ndarray]] = {}
    for shot in sorted(shots, key=lambda shot: shot.tile.epsg != epsg):
        reflectance, valid = on_grid(shot, grid, epsg)
        if shot.day in days:
            before, known = days[shot.day]
            reflectance, valid = np.where(known, before, reflectance), known | valid
        days[shot.day] = reflectance, valid
    composites = np.full((len(MONTHS), len(BAND_NAMES), *grid.shape), np.nan, dtype=np.float32)
    for k, month in enumerate(MONTHS):
        seen = [np.where(v, r, np.nan) for day, (r, v) in days.items() if day.astype("datetime64[M]") == month]
        if seen:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN: no observation
                composites[k] = np.nanmedian(seen, axis=0)
    return composites


def quietly(*args, **more):
    """Open or read, and give what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DegradedInputWarning)
        found = args[0](*args[1:], **more)
    return found, [str(warning.message) for warning in said]


def same(cube: Cube, grid: Grid, epsg: int, shots: tuple[Shot, ...] = GOOD) -> None:
    expected, valid = truth(grid, epsg, shots)
    assert valid.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(cube.valid, valid)
    np.testing.assert_array_equal(cube.reflectance, expected)
    np.testing.assert_array_equal(cube.valid[:, None] & cube.band_valid, np.isfinite(composites_of(grid, epsg, shots)))


def test_composites_equal_the_arrays(catalog: Path, area: Path):
    source, opened = quietly(open_stac, area, SEASON, catalog=catalog)
    cube, read = quietly(source.read)
    assert source.crs == "EPSG:32631"
    assert source.aoi.grid == Grid(A.x0, A.y0, 10, -10, (SIZE, 120))
    same(cube, source.aoi.grid, 32631)
    np.testing.assert_array_equal(cube.start, MONTHS.astype("datetime64[D]"))
    # What is missing is named, once, and nothing else is said: the offsets agree with the data.
    assert len(opened) == len(read) == 1
    assert f"{SHOTS[9].id} has no B11" in opened[0]
    assert f"{SHOTS[10].id} B8A" in read[0]
    assert [(failure.scene, failure.band) for failure in source.failures] == [(SHOTS[10].id, "B8A")]
    assert SHOTS[10].id in cube.provenance["failed"][0]


def test_provenance_says_what_was_decided_and_dropped(catalog: Path, area: Path):
    source, _ = quietly(open_stac, area, SEASON, catalog=catalog)
    about = quietly(source.read, (0, 8, 0, 8))[0].provenance
    assert list(about["search"]["duplicates"]) == [SHOTS[1].id]
    assert SHOTS[2].id in about["search"]["duplicates"][SHOTS[1].id]
    assert about["search"]["too_cloudy"] == 1
    assert {shot.id for shot in GOOD} <= set(about["scenes"])
    decided = {(entry["offset_dn"], entry["why"].rsplit(" ", 1)[1]): entry["scenes"] for entry in about["offsets"]}
    assert decided == {(0, "03.01"): 4, (1000, "04.00"): 4, (1000, "05.00"): 1}
    assert about["resampled"]["method"] == "nearest"
    json.dumps(about)


def test_an_unreliable_server_gives_the_same(world: Path, area: Path):
    with serve(world) as server:
        server.search_fails = [503, 429, 502]
        server.asset_fails = {"B02.tif": [503, 404, 500], "SCL.tif": [404]}
        server.token_uses = 40
        tokens: list[str] = []

        def sign(address: str, renew: bool) -> str:
            if renew or not tokens:
                with urllib.request.urlopen(f"{server.url}/token") as answer:
                    tokens.append(json.load(answer)["token"])
            return f"{address}?token={tokens[-1]}"

        source, opened = quietly(open_stac, area, SEASON, catalog=server.url, sign=sign, workers=3, retries=5, **FAST)
        cube, read = quietly(source.read)
    same(cube, source.aoi.grid, 32631)
    assert [answer for _, answer in server.searches] == [503, 429, 502, 200, 200, 200]  # three pages
    assert {method for method, _ in server.searches} == {"POST"}
    assert server.refused > 0
    assert len(tokens) > 3
    assert len(opened) == len(read) == 1
    assert "token=" not in read[0]


def test_searching_by_get_where_post_is_not_offered(world: Path, area: Path):
    with serve(world) as server:
        server.post = False
        source, _ = quietly(open_stac, area, SEASON, catalog=server.url, **FAST)
    assert [method for method, answer in server.searches if answer == 200] == ["GET"] * 3
    assert {shot.id for shot in GOOD} <= {scene.id for scene in source.scenes}


def test_a_server_that_stays_away_is_said_in_one_line(world: Path, area: Path):
    with serve(world) as server:
        server.search_fails = [503] * 50
        with pytest.raises(DataNotFoundError, match=r"did not answer after 5 retries"):
            open_stac(area, SEASON, catalog=server.url, wait_s=0.001)
        server.search_fails = []
        server.token_uses = 0
        source, _ = quietly(open_stac, area, SEASON, catalog=server.url, retries=1, **FAST)
        with pytest.raises(DataNotFoundError, match=r"None of the 9 scenes .* could be read; .*403"):
            source.read((0, 8, 0, 8))


def test_what_fails_for_good_is_named_once_and_not_waited_for_again(world: Path, area: Path):
    with serve(world) as server:
        gone = {f"{SHOTS[4].id}/B05.tif": [500] * 999, f"{SHOTS[7].id}/SCL.tif": [404] * 999}
        server.asset_fails = {end: list(codes) for end, codes in gone.items()}
        source, _ = quietly(open_stac, area, SEASON, catalog=server.url, retries=2, **FAST)
        cube, read = quietly(source.read, (0, SIZE // 2, 0, 120))
        asked = len(server.asset_fails[f"{SHOTS[7].id}/SCL.tif"])
        below, again = quietly(source.read, (SIZE // 2, SIZE, 0, 120))
        assert asked - len(server.asset_fails[f"{SHOTS[7].id}/SCL.tif"]) <= 2
    assert len(read) == 1
    assert again == []
    named = [(failure.scene, failure.band) for failure in source.failures]
    broken = [(SHOTS[4].id, "B05"), (SHOTS[7].id, "SCL"), (SHOTS[10].id, "B8A")]
    assert sorted(named) == sorted(broken)  # each once, or the list would grow with the area
    for part in (cube, below):  # but every window says what it lacks
        assert sorted(text.split(" (")[0] for text in part.provenance["failed"]) == sorted(map(" ".join, broken))
    expected, valid = truth(source.aoi.grid, 32631, tuple(shot for shot in GOOD if shot not in (SHOTS[4], SHOTS[7])))
    np.testing.assert_array_equal(cube.valid, valid[:, : SIZE // 2])
    np.testing.assert_array_equal(cube.reflectance, expected[:, :, : SIZE // 2])


def test_a_network_that_dies_midway_leaves_no_hole(world: Path, area: Path):
    with serve(world) as server:
        source, _ = quietly(open_stac, area, SEASON, catalog=server.url, retries=0, **FAST)
        assert source.read((0, 8, 0, 8), period="2021-11").valid.any()
        server.asset_fails = {".tif": [503] * 999}
        with pytest.raises(DataNotFoundError, match=r"None of the 2 scenes .* could be read; .*503"):
            source.read((8, 16, 0, 8), period="2022-01")


def test_files_in_buckets_are_read(world: Path, area: Path, tmp_path: Path):
    """As CDSE's: `s3://`, with an endpoint of its own."""
    items = [item(shot, "s3://files") for shot in SHOTS[:1]]
    source = open_stac(area, "2021-11", catalog=write_items(tmp_path / "items.json", items))
    with serve(world) as server:
        host = server.url.removeprefix("http://")
        options = {
            "AWS_S3_ENDPOINT": host,
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_NO_SIGN_REQUEST": "YES",
        }
        cube = replace(source, reader=replace(source.reader, gdal=options)).read()
    expected, valid = truth(source.aoi.grid, 32631, SHOTS[:1])
    np.testing.assert_array_equal(cube.valid, valid[:1])
    np.testing.assert_array_equal(cube.reflectance, expected[:1])


def test_the_other_zone_as_grid(catalog: Path):
    west, _, east, _ = B.bounds
    _, south, _, north = A.bounds
    source, _ = quietly(open_stac, (west, south, east, north), SEASON, catalog=catalog, clip=False)
    assert source.crs == "EPSG:32632"
    cube, _ = quietly(source.read)
    same(cube, source.aoi.grid, 32632)


def test_gdal_agrees_on_the_other_zone(world: Path, catalog: Path, area: Path):
    from rasterio.vrt import WarpedVRT

    shot = SHOTS[3]
    path = write_items(catalog.parent / "one.json", [item(shot, str(world))])
    source, _ = quietly(open_stac, area, "2021-12", catalog=path)
    cube = source.read(every=None, mask=False)
    grid = {"crs": source.crs, "transform": source.transform, "width": 120, "height": SIZE}
    with rasterio.open(world / shot.id / "B03.tif") as file, WarpedVRT(file, **grid, tolerance=1e-9) as warped:
        dn = warped.read(1)
    seen = cube.valid[0] & (dn > 0)
    assert seen.mean() > 0.3
    agreed = np.isclose(cube.reflectance[0, 1][seen], dn[seen] / 10_000, atol=1e-6).mean()
    assert agreed > 0.999


def test_pixels_do_not_depend_on_the_blocks(catalog: Path, area: Path):
    for resampling in ("nearest", "bilinear"):
        source, _ = quietly(open_stac, area, "2021-12", catalog=catalog, resampling=resampling)
        whole = source.read()
        blocks = list(read_blocks(source, 43))
        assert sum(cube.valid[0].size for _, cube in blocks) == whole.valid[0].size
        for (top, bottom, left, right), cube in blocks:
            np.testing.assert_array_equal(cube.valid, whole.valid[:, top:bottom, left:right])
            np.testing.assert_array_equal(cube.reflectance, whole.reflectance[:, :, top:bottom, left:right])


def test_bilinear_is_for_20_m_bands_only(catalog: Path, area: Path):
    cubes = []
    for resampling in ("nearest", "bilinear"):
        source, _ = quietly(open_stac, area, SEASON, catalog=catalog, resampling=resampling)
        cubes.append(quietly(source.read)[0])
    assert cubes[1].provenance["resampled"]["method"] == "bilinear"
    fine = [BAND_NAMES.index(name) for name in ("B02", "B03", "B04", "B08")]
    coarse = [i for i in range(len(BAND_NAMES)) if i not in fine]
    np.testing.assert_array_equal(cubes[0].reflectance[:, fine], cubes[1].reflectance[:, fine])
    assert (cubes[0].reflectance[:, coarse] != cubes[1].reflectance[:, coarse]).mean() > 0.3
    # On noise a mean of four neighbours spreads less than the noise.
    pair = [cube.reflectance[0, coarse[0]][cube.valid[0]].std() for cube in cubes]
    assert pair[1] < 0.8 * pair[0]


def test_dates_are_kept_or_cut_out(catalog: Path, area: Path):
    source, _ = quietly(open_stac, area, SEASON, catalog=catalog)
    dates, _ = quietly(source.read, (40, 50, 40, 50), every=None)
    assert list(dates.start) == sorted({shot.day for shot in GOOD} | {SHOTS[10].day})
    winter, _ = quietly(source.read, (40, 50, 40, 50), period="2021-12..2022-01")
    whole, _ = quietly(source.read, (40, 50, 40, 50))
    np.testing.assert_array_equal(winter.reflectance, whole.reflectance[1:3])
    season = composite_cube(dates, every="quarter", period=SEASON)
    quarters, _ = quietly(source.read, (40, 50, 40, 50), every="quarter")
    np.testing.assert_array_equal(quarters.reflectance, season.reflectance)
    np.testing.assert_array_equal([quarters.start, quarters.end], [season.start, season.end])
    with pytest.raises(TimeError, match=r"searched for 2021-11-01\.\.2022-02-28"):
        source.read(period=2022)


def test_the_polygon_cuts(catalog: Path, tmp_path: Path):
    west, south, east, north = A.bounds
    middle = (west + east) / 2, (south + north) / 2
    corners = [(west, south), (east, south), middle, (west, south)]
    path = tmp_path / "wedge.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
    source, _ = quietly(open_stac, path, "2022-01", catalog=catalog)
    valid = quietly(source.read)[0].valid[0]
    assert 0.25 < valid.mean() < 0.5
    assert not valid[: len(valid) // 3, :20].any()


def test_a_wrong_decision_is_contradicted_by_the_data(catalog: Path, area: Path):
    source, _ = quietly(open_stac, area, SEASON, catalog=catalog, provider="earth-search")
    said = quietly(source.read)[1]
    assert any(
        "4 of 9 scenes contradict the offset of 0 DN" in line and "may still be in them" in line for line in said
    )
    source, _ = quietly(open_stac, area, SEASON, catalog=catalog, offset_dn=1000)
    said = quietly(source.read)[1]
    assert any("4 of 9 scenes contradict the offset of 1000 DN" in line and "removed" in line for line in said)


def test_it_can_be_sent_to_workers(catalog: Path, area: Path):
    source, _ = quietly(open_stac, area, SEASON, catalog=catalog)
    here = quietly(source.read, (10, 40, 50, 100))[0]
    there = quietly(pickle.loads(pickle.dumps(source)).read, (10, 40, 50, 100))[0]
    np.testing.assert_array_equal(here.reflectance, there.reflectance)


@pytest.mark.parametrize("package", ["geopandas", "pystac_client"])
def test_an_absent_extra_is_named(world: Path, area: Path, package: str, monkeypatch):
    aoi = open_aoi(area)
    monkeypatch.setitem(sys.modules, package, None)
    with serve(world) as server, pytest.raises(MissingExtraError, match=r"pip install 'timesenclip\[stac\]'"):
        open_stac(aoi if package == "pystac_client" else area, SEASON, catalog=server.url)


def test_a_folder_of_cogs_needs_no_catalogue(world: Path, area: Path):
    source, said = quietly(open_stac, area, SEASON, catalog=world, max_cloud=100)
    assert any("has no B11" in line for line in said)
    cube, _ = quietly(source.read)
    same(cube, source.aoi.grid, 32631, (*GOOD, SHOTS[6]))  # no file says that the shot of 30 January is cloudy


def test_a_folder_of_safe_products(tmp_path: Path, area: Path):
    shots = (Shot(A, "2021-12-15T10:40:21", "03.01", 2), Shot(B, "2022-02-05T10:40:21", "04.00", 9))
    for shot in shots:
        write_safe(tmp_path, shot)
    source, said = quietly(open_stac, area, SEASON, catalog=tmp_path)
    assert said == []
    assert {scene.offset.reason for scene in source.scenes} == {
        "BOA_ADD_OFFSET -1000 in ESA's metadata",
        "esa/sentinel-2-l2a keeps ESA's pixels, baseline 03.01",
    }
    cube = source.read()
    expected, valid = truth(source.aoi.grid, 32631, shots)
    np.testing.assert_array_equal(cube.valid, valid)
    np.testing.assert_array_equal(cube.reflectance, expected)


def write_safe(root: Path, shot: Shot) -> None:
    images = root / f"{shot.id}.SAFE" / "GRANULE" / f"L2A_T{shot.tile.name}" / "IMG_DATA"
    moment = shot.time.replace("-", "").replace(":", "")
    for band, values in shot.files().items():
        metres = SIZE * 10 // len(values)
        path = images / f"R{metres}m" / f"T{shot.tile.name}_{moment}_{band}_{metres}m.jp2"
        lossless = {"driver": "JP2OpenJPEG", "reversible": "yes", "quality": "100", "compress": None, "overviews": None}
        write_cog(path, values, shot.tile, metres, **lossless)
    offset = f'<BOA_ADD_OFFSET band_id="0">-{shot.offset}</BOA_ADD_OFFSET>' if shot.offset else ""
    (root / f"{shot.id}.SAFE" / "MTD_MSIL2A.xml").write_text(
        '<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD"><n1:General_Info>'
        f"<PRODUCT_START_TIME>{shot.time}.024Z</PRODUCT_START_TIME><PROCESSING_BASELINE>{shot.baseline}"
        f"</PROCESSING_BASELINE>{offset}<Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment>"
        "</n1:General_Info></n1:Level-2A_User_Product>"
    )


def test_a_static_catalogue_is_crawled(world: Path, area: Path, tmp_path: Path):
    links = []
    for i, shot in enumerate(SHOTS):
        (tmp_path / "year").mkdir(exist_ok=True)
        (tmp_path / "year" / f"{i}.json").write_text(json.dumps(item(shot, str(world))))
        links.append({"rel": "item", "href": f"./{i}.json"})
    (tmp_path / "year" / "collection.json").write_text(json.dumps({"type": "Collection", "links": links}))
    top = {"type": "Catalog", "links": [{"rel": "child", "href": "./year/collection.json"}]}
    (tmp_path / "catalog.json").write_text(json.dumps(top))
    with pytest.raises(InputError, match=r"Item 'S2A_\w+' names .* for B02, which is refused: it is outside the cat"):
        quietly(open_stac, area, SEASON, catalog=tmp_path)
    source, _ = quietly(open_stac, area, SEASON, catalog=tmp_path, allow_elsewhere=True)
    assert {shot.id for shot in GOOD} <= {scene.id for scene in source.scenes}
    with pytest.raises(DataNotFoundError, match=r"no items of collection 'other', only of sentinel-2-l2a"):
        open_stac(area, SEASON, catalog=tmp_path, collection="other")


def test_map_from_a_search_equals_the_map_from_the_arrays(run, world: Path, area: Path, tmp_path: Path):
    with serve(world) as server:
        server.search_fails = [503]
        question = ["-p", "maize", "-p", "deep water", "--period", SEASON]
        said = run("map", "--aoi", area, "--catalog", server.url, *question, "-o", tmp_path / "map", "--json")
    assert said.exit_code == 0, said.stderr
    assert json.loads(said.stdout)["classes"][0]["label"] == "maize"
    lines = said.stderr.splitlines()
    assert lines[0].startswith("warning: square.gpkg in http://127.0.0.1")
    assert "9 scenes, 7 days, 96 x 120 pixels, EPSG:32631" in lines[1]
    assert f"{SHOTS[10].id} B8A" in lines[2]
    assert len(lines) == 3

    grid = open_aoi(area).grid
    reflectance, valid = truth(grid, 32631)
    start = MONTHS.astype("datetime64[D]")
    end = (MONTHS + 1).astype("datetime64[D]")
    transform = (10.0, 0.0, A.x0, 0.0, -10.0, A.y0)
    bands = np.isfinite(composites_of(grid, 32631, GOOD))
    direct = Cube(reflectance, valid, start, end, "EPSG:32631", transform, {}, band_valid=bands)
    map_cube(direct, ["maize", "deep water"], out=tmp_path / "direct")
    for name in ("classes.tif", "confidence.tif", "scores.tif"):
        with rasterio.open(tmp_path / "map" / name) as one, rasterio.open(tmp_path / "direct" / name) as other:
            np.testing.assert_array_equal(one.read(), other.read())
            assert (one.crs, one.transform) == (other.crs, other.transform)
    about = json.loads((tmp_path / "map" / "provenance.json").read_text())
    assert SHOTS[10].id in json.dumps(about)


def test_an_area_is_embedded_once_and_asked_as_it_would_be_mapped(run, catalog: Path, area: Path, tmp_path: Path):
    where = ["--aoi", area, "--catalog", catalog]
    question = ["-p", "maize", "-p", "deep water"]
    said = run("embed-area", *where, "--period", SEASON, "-o", tmp_path / "area.zarr", "--block", "64", "--json")
    assert said.exit_code == 0, said.stderr
    assert json.loads(said.stdout)["pixels"] == 96 * 120
    assert run("ask", tmp_path / "area.zarr", *question, "-o", tmp_path / "ask").exit_code == 0
    assert run("map", *where, "--period", SEASON, *question, "-o", tmp_path / "map").exit_code == 0
    with rasterio.open(tmp_path / "ask" / "classes.tif") as one, rasterio.open(tmp_path / "map" / "classes.tif") as two:
        assert (one.read() == two.read()).mean() > 0.98
        assert (one.crs, one.transform) == (two.crs, two.transform)
    with rasterio.open(tmp_path / "ask" / "clear.tif") as clear:
        counted = clear.read(1)
    days: dict[np.datetime64, np.ndarray] = {}
    for shot in GOOD:
        seen = on_grid(shot, open_aoi(area).grid, 32631)[1]
        days[shot.day] = days.get(shot.day, False) | seen
    np.testing.assert_array_equal(counted, sum(seen.astype(int) for seen in days.values()))


REFUSED = {
    "no scene": (["--period", "2019"], r"No scene of .* shows square.gpkg .* in 2019-01-01"),
    "all cloudy tiles": (
        ["--period", SEASON, "--max-cloud", "5"],
        r"All 10 scenes .* more than 5 % cloud.*--max-cloud",
    ),
    "no period": ([], r"needs a period"),
    "two sources": (["cube.nc", "--year", "2022"], r"both given"),
    "reflectance": (["--year", "2022", "--units", "reflectance"], r"digital numbers"),
    "unknown provider": (["--year", "2022", "--provider", "nasa"], r"Unknown provider 'nasa'"),
    "strict": (["--period", SEASON, "--strict"], r"has no B11"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(run, case: str, catalog: Path, area: Path, tmp_path: Path):
    more, expected = REFUSED[case]
    refused(run("map", "--aoi", area, "--catalog", catalog, "-p", "maize", "-o", tmp_path / "out", *more), expected)


def test_the_sea_and_all_cloud_are_refused(run, world: Path, tmp_path: Path):
    items = write_items(tmp_path / "items.json", [item(shot, str(world)) for shot in SHOTS])
    rest = ["--catalog", items, "-p", "maize", "-o", tmp_path / "out"]
    refused(run("map", "--aoi", "-30.2,40,-30,40.2", "--period", "2022", *rest), r"No scene .* not the open sea")
    shot = Shot(A, "2022-01-10T10:40:21", "03.01", 5)
    for band, values in shot.files().items():
        cloudy = np.full_like(values, 9) if band == SCL_NAME else values
        write_cog(tmp_path / shot.id / f"{band}.tif", cloudy, A, SIZE * 10 / len(values))
    write_items(items, [item(shot, str(tmp_path))])
    box = ",".join(map(str, A.bounds))
    refused(run("map", "--aoi", box, "--period", "2022", *rest), r"No pixel of the area has a clear observation")
    refused(run("map", "--period", "2022", *rest), r"--aoi was not given|Neither CUBE nor --aoi")


def refused(result, expected: str) -> None:
    import re

    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert re.search(expected, lines[0]), lines[0]
