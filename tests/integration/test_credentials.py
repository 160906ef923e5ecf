"""A canary: a password that is in every address and in the environment is printed nowhere and written nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from timesenclip.cli import app

from .stac_world import SHOTS, A, item, serve

CANARY = "C4n4ry-S3cr3t"
SEASON = "2021-11..2022-02"


def leaves(command, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Names of every command that runs something."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield names
    for name, one in inner.items():
        yield from leaves(one, (*names, name))


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "MY_API_TOKEN", "AZURE_STORAGE_SAS_TOKEN"):
        monkeypatch.setenv(name, CANARY)


def assert_silent(said, folder: Path) -> None:
    assert CANARY not in said.stdout
    assert CANARY not in said.stderr
    assert said.exception is None or isinstance(said.exception, SystemExit), said.exception
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [str(path) for path in files if CANARY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("command", list(leaves(get_command(app))), ids=" ".join)
def test_no_command_repeats_a_credential_that_it_cannot_use(run, command, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    address = f"https://user:{CANARY}@127.0.0.1:9/x.yaml?token={CANARY}&sig={CANARY}"
    for arguments in ([address], [address, "-o", "out"], [address, address], [f"--x={address}"]):
        said = run(*command, *arguments)
        assert said.exit_code != 0, arguments
        assert_silent(said, tmp_path)


def test_maps_and_stores_of_a_signed_catalogue_hold_no_signature(run, world: Path, tmp_path: Path) -> None:
    west, south, east, north = A.bounds
    aoi = f"{west},{south},{east},{north}"
    with serve(world) as server:
        for one in server.items:
            for asset in one["assets"].values():
                asset["href"] += f"?sig={CANARY}&se=2030"
        host = server.url.removeprefix("http://")
        options = ["--aoi", aoi, "--catalog", f"http://user:{CANARY}@{host}/?code={CANARY}", "--period", SEASON]
        for command in (
            ["map", "-p", "maize", "-p", "forest", "-o", tmp_path / "map"],
            ["embed-area", "-o", tmp_path / "s.zarr"],
        ):
            said = run(*command, *options, "--json")
            assert said.exit_code == 0, said.stderr
            assert_silent(said, tmp_path)
        changed = (f"?code={CANARY}", "?code=another-1")
        again = [text.replace(*changed) for text in options]
        said = run("embed-area", "-o", tmp_path / "s.zarr", *again, "--json")
        assert said.exit_code == 0, said.stderr
    said = run("ask", tmp_path / "s.zarr", "-p", "maize", "-p", "forest", "-o", tmp_path / "ask", "--json")
    assert said.exit_code == 0, said.stderr
    said = run("info", tmp_path / "s.zarr")
    assert_silent(said, tmp_path)


def test_files_that_cannot_be_read_are_named_without_their_signature(run, world: Path, tmp_path: Path) -> None:
    items = [item(shot, f"http://user:{CANARY}@127.0.0.1:9") for shot in SHOTS]
    for one in items:
        for asset in one["assets"].values():
            asset["href"] += f"?sig={CANARY}"
    catalog = tmp_path / "in" / "items.json"
    catalog.parent.mkdir()
    catalog.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    west, south, east, north = A.bounds
    options = ["--aoi", f"{west},{south},{east},{north}", "--catalog", catalog, "--period", SEASON]
    out = tmp_path / "out"
    said = run("map", "-p", "maize", *options, "-o", out)
    assert said.exit_code in (1, 2)
    assert_silent(said, out)
