"""A map is not resumed from another input: what changes a source's identity, and what does not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from timesenclip.eo.area import check_unchanged
from timesenclip.eo.stac import identity as module
from timesenclip.eo.stac.identity import file_versions, scene_facts
from timesenclip.eo.stac.open import open_stac
from timesenclip.eo.stac.reader import SceneReader
from timesenclip.eo.stac.source import StacSource
from timesenclip.errors import InputError

from .scenes import EPSG, GRID, pixels_of_scene, unsigned, write_scene

BOX = [3.0, 50.5, 3.01, 50.51]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue of one scene, with its files."""
    write_scene(tmp_path / "one", pixels_of_scene(), day="2023-06-01")
    write(tmp_path)
    return tmp_path


def write(folder: Path, **more: Any) -> None:
    properties = {"datetime": "2023-06-01T10:40:00Z", "s2:processing_baseline": "05.00", **more}
    assets = {name: {"href": f"./one/{name}.tif"} for name in pixels_of_scene()}
    item = {"type": "Feature", "id": "one", "geometry": None, "properties": properties, "assets": assets}
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))


def source(folder: Path) -> StacSource:
    return open_stac(BOX, 2023, catalog=folder / "items.json")


@pytest.mark.parametrize("band", ["B04", "SCL"])
def test_a_changed_file_changes_the_identity(folder: Path, band: str) -> None:
    before = source(folder).identity
    assert source(folder).identity == before
    path = folder / "one" / f"{band}.tif"
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert source(folder).identity != before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source(folder).identity == before
    with path.open("ab") as file:
        file.write(b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source(folder).identity != before
    path.unlink()
    assert source(folder).identity != before


def test_a_file_that_changes_while_it_is_read_is_noticed_at_the_end(folder: Path) -> None:
    opened = source(folder)
    assert opened.identity
    check_unchanged(opened)
    with (folder / "one" / "B04.tif").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"^B04\.tif of '.*' changed while it was read"):
        check_unchanged(opened)


def test_what_is_not_read_does_not_change_it(folder: Path) -> None:
    before = source(folder).identity
    (folder / "one" / "preview.tif").write_bytes(b"x")
    write(folder, title="another title")
    assert source(folder).identity == before


@pytest.mark.parametrize(
    "more",
    [
        {"updated": "2024-01-01T00:00:00Z"},
        {"version": "2"},
        {"s2:generation_time": "2024-01-01T00:00:00Z"},
        {"datetime": "2023-06-02T10:40:00Z"},
        {"s2:mgrs_tile": "31UFS"},
        {"s2:processing_baseline": "03.00"},
    ],
)
def test_another_item_under_the_same_id_changes_it(folder: Path, more: dict[str, Any]) -> None:
    before = source(folder).identity
    write(folder, **more)
    assert source(folder).identity != before


@pytest.fixture
def served(folder: Path, httpserver: HTTPServer) -> tuple[StacSource, dict[str, Callable[[], Response]]]:
    """The same scene behind a server, and what it answers for the files in `answers`."""
    answers: dict[str, Callable[[], Response]] = {}

    def answer(request: Request) -> Response:
        name = request.path.removeprefix("/")
        given = answers.get(name)
        return given() if given else Response(b"x", 206, {"ETag": '"1"', "Content-Range": "bytes 0-0/1000"})

    httpserver.expect_request("/", method="GET")
    for name in pixels_of_scene():
        httpserver.expect_request(f"/{name}.tif").respond_with_handler(answer)
    found = source(folder)
    scene = found.scenes[0]
    remote = replace(scene, assets={name: httpserver.url_for(f"/{name}.tif") for name in scene.assets})
    home = found.reader.origin
    assert home is not None
    reader = replace(
        found.reader, sign=lambda address, renew: f"{address}?token=secret", retries=0, wait_s=0.0,
        origin=replace(home, home=httpserver.url_for("/")),
    )  # fmt: skip
    return replace(found, scenes=(remote,), reader=reader), answers


def fresh(one: StacSource) -> str:
    return replace(one, notes={}).identity


def test_a_file_that_changes_on_the_server_is_noticed(served: tuple[StacSource, dict[str, Any]]) -> None:
    one, answers = served
    before = fresh(one)
    assert fresh(one) == before
    for changed in (
        {"ETag": '"2"', "Content-Range": "bytes 0-0/1000"},
        {"ETag": '"1"', "Content-Range": "bytes 0-0/1001"},
        {"ETag": '"1"', "Content-Range": "bytes 0-0/1000", "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
    ):
        answers["B04.tif"] = lambda changed=changed: Response(b"x", 206, changed)
        assert fresh(one) != before
    answers.clear()
    assert fresh(one) == before


def test_files_that_do_not_answer_are_unknown_and_unknown_stays_the_same(
    served: tuple[StacSource, dict[str, Any]],
) -> None:
    one, answers = served
    before = fresh(one)
    gone = set()
    for status in (404, 403, 500, 302):
        answers["B04.tif"] = lambda status=status: Response(b"", status, {"Location": "http://127.0.0.9/x"})
        gone.add(fresh(one))
    answers["B04.tif"] = lambda: Response(b"x", 200, {"Transfer-Encoding": "identity"})
    assert len(gone) == 1
    assert before not in gone
    versions = file_versions(one.scenes, one.reader)
    assert len(versions) == 11
    assert not [address for address, _ in versions if "token" in address]


def test_of_many_files_one_band_and_scl_are_asked(
    served: tuple[StacSource, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = served
    monkeypatch.setattr(module, "_MOST_FILES", 5)
    names = {address.rsplit("/", 1)[1] for address, _ in file_versions(one.scenes, one.reader)}
    assert names == {"B02.tif", "SCL.tif"}


def test_files_in_buckets_are_not_asked(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "one", pixels_of_scene(), day="2023-06-01")
    bucket = replace(scene, assets={name: f"s3://bucket/{name}.tif" for name in scene.assets})
    reader = SceneReader(GRID, EPSG, unsigned)
    assert file_versions([bucket], reader) == []
    assert scene_facts(bucket) != scene_facts(scene)


def test_a_server_that_is_away_is_not_asked_for_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def away(address: str, *rest: Any, **more: Any) -> Any:
        asked.append(address)
        raise ConnectionError("nobody there")

    monkeypatch.setattr(module, "ask_file", away)
    scene = write_scene(tmp_path / "one", pixels_of_scene(), day="2023-06-01")
    many = [
        replace(scene, assets={name: f"https://93.184.216.34/{i}/{name}.tif" for name in scene.assets})
        for i in range(50)
    ]
    found = file_versions(many, SceneReader(GRID, EPSG, unsigned))
    assert {version for _, version in found} == {"unknown"}
    assert len(found) == 550
    assert len(asked) < 70


def test_files_that_differ_in_their_query_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(address: str, *rest: Any, **more: Any) -> Any:
        return SimpleNamespace(version=address.rsplit("=", 1)[1])

    monkeypatch.setattr(module, "ask_file", answer)
    scene = write_scene(tmp_path / "one", pixels_of_scene(), day="2023-06-01")
    same = replace(scene, assets={name: f"https://93.184.216.34/get?file={name}" for name in scene.assets})
    assert len(set(file_versions([same], SceneReader(GRID, EPSG, unsigned)))) == 11
