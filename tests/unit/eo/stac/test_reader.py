"""One scene in a window: reflectance, mask, and files that fail."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from timesenclip.bands import BANDS, SCL_NAME
from timesenclip.eo.stac.addresses import Origin
from timesenclip.eo.stac.items import Scene
from timesenclip.eo.stac.reader import Failure, SceneReader, SceneWindow, _gdal_path
from timesenclip.grid import Window

from .scenes import CLOUDY, EPSG, GRID, SIDE, pixels_of_scene, unsigned, write_scene

ALL = Window.whole(GRID.shape)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return write_scene(tmp_path / "scene", pixels_of_scene(), day="2023-06-01")


def reader(**options: object) -> SceneReader:
    return SceneReader(GRID, EPSG, unsigned, retries=0, wait_s=0.0, **options)  # type: ignore[arg-type]


def test_on_its_own_grid_a_scene_has_the_values_of_its_files(scene: Scene) -> None:
    found = reader().read(scene, ALL, mask=False)
    assert isinstance(found, SceneWindow)
    assert found.valid.all()
    for i, band in enumerate(BANDS):
        dn = pixels_of_scene()[band.name].astype(np.float32)
        expected = (dn.repeat(band.resolution_m // 10, 0).repeat(band.resolution_m // 10, 1) - 1000) / np.float32(1e4)
        assert np.array_equal(found.reflectance[i], expected)
    assert found.lowest_dn.min() > 1000


@pytest.mark.parametrize("dilate_px", [0, 1])
def test_clouds_are_left_out_with_their_rim(scene: Scene, dilate_px: int) -> None:
    found = reader(dilate_px=dilate_px).read(scene, ALL, mask=True)
    assert isinstance(found, SceneWindow)
    cloudy = np.zeros((SIDE // 2, SIDE // 2), dtype=bool)
    cloudy[tuple(slice(part.start - dilate_px, part.stop + dilate_px) for part in CLOUDY)] = True
    assert np.array_equal(found.valid, ~cloudy.repeat(2, 0).repeat(2, 1))
    assert not found.reflectance[:, ~found.valid].any()
    assert len(found.lowest_dn) == found.valid.sum()


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_a_window_is_that_part_of_the_whole(scene: Scene, resampling: str) -> None:
    whole = reader(resampling=resampling).read(scene, ALL, mask=True)
    window = Window(5, 17, 3, 20)
    part = reader(resampling=resampling).read(scene, window, mask=True)
    assert isinstance(whole, SceneWindow)
    assert isinstance(part, SceneWindow)
    assert np.array_equal(part.reflectance, whole.reflectance[:, *window.slices])
    assert np.array_equal(part.valid, whole.valid[window.slices])


def test_where_nothing_is_clear_the_bands_are_not_opened(scene: Scene) -> None:
    gone = {name: at if name == SCL_NAME else "/nothing/there.tif" for name, at in scene.assets.items()}
    assert reader().read(replace(scene, assets=gone), Window(10, 14, 10, 14), mask=True) is None


def test_beyond_the_scene_there_is_nothing(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene", pixels_of_scene(), day="2023-06-01")
    far = replace(GRID, x0=GRID.x0 + 10_000)
    assert SceneReader(far, EPSG, unsigned, retries=0).read(scene, ALL, mask=False) is None


def test_a_broken_file_is_named_with_its_window(scene: Scene) -> None:
    path = Path(scene.assets["B11"])
    path.write_bytes(path.read_bytes()[:50])
    one = reader()
    found = one.read(scene, ALL, mask=False)
    assert isinstance(found, Failure)
    assert (found.scene, found.band, found.window) == (scene.id, "B11", ALL)
    assert str(path) in str(found)
    assert not found.of_network
    assert one.broken == {str(path)}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("HTTP response code: 403", True),
        ("HTTP response code: 503", True),
        ("Could not resolve host", True),
        ("HTTP response code: 404", False),
        ("not recognized as a supported file format", False),
    ],
)
def test_what_is_the_fault_of_the_network(reason: str, expected: bool) -> None:
    assert Failure("s", "B02", "https://x", ALL, reason).of_network is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://x.org/a.tif?sig=1", "/vsicurl/https://x.org/a.tif?sig=1"),
        ("s3://bucket/a.tif", "/vsis3/bucket/a.tif"),
        ("gs://bucket/a.tif", "/vsigs/bucket/a.tif"),
        ("az://bucket/a.tif", "/vsiaz/bucket/a.tif"),
        ("/data/a.tif", "/data/a.tif"),
        ("vrt:///data/a.tif", "vrt:///data/a.tif"),  # `open_raster` makes a path of it
    ],
)
def test_addresses_have_gdals_names(address: str, expected: str) -> None:
    assert _gdal_path(address) == expected


def test_a_pipe_or_a_vrt_in_place_of_a_file_is_a_failure(scene: Scene) -> None:
    path = Path(scene.assets["B11"])
    secret = path.rename(path.with_name("secret.tif"))
    path.write_text(
        '<VRTDataset rasterXSize="12" rasterYSize="12"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    found = reader().read(scene, ALL, mask=False)
    assert isinstance(found, Failure)
    assert "not recognized as being in a supported file format" in found.reason
    path.unlink()
    os.mkfifo(path)
    found = reader().read(scene, ALL, mask=False)
    assert isinstance(found, Failure)
    assert "no regular file" in found.reason


def test_redirects_are_followed_before_gdal_sees_the_address(httpserver: HTTPServer) -> None:
    there = httpserver.url_for("/there.tif")
    httpserver.expect_request("/here.tif").respond_with_response(Response(b"", 302, {"Location": there}))
    httpserver.expect_request("/there.tif").respond_with_response(Response(b"x", 206))
    httpserver.expect_request("/gone.tif").respond_with_response(Response(b"", 404))
    one = reader(origin=Origin(httpserver.url_for("/")))
    here, gone = httpserver.url_for("/here.tif"), httpserver.url_for("/gone.tif")
    assert one.followed(here, f"{here}?token=1") == there
    for _ in range(3):
        assert one.followed(there, f"{there}?token=1") == f"{there}?token=1"
    assert len(httpserver.log) == 3  # what is not redirected is asked once
    with pytest.raises(OSError, match="HTTP response code: 404"):
        one.followed(gone, gone)
    assert reader().followed(here, here) == here
    assert one.followed("/a.tif", "/a.tif") == "/a.tif"
