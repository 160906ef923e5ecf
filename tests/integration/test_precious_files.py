"""No command that writes replaces a file that it did not write: it is refused by name, before any input is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from timesenclip.cli.commands import app

MAP = ("classes.tif", "confidence.tif", "scores.tif", "map.html", "zones.csv", "classes.qml", "provenance.json")
REPORT = ("report.html", "report.json", "tables/methods.csv", "figures/confusion.svg")

ADDED: list[tuple[list[str], tuple[str, ...]]] = [
    (["map", "none.nc", "-p", "maize"], MAP),
    (["ask", "none.zarr", "-p", "maize"], MAP),
    (["demo"], MAP),
    (["change", "a.zarr", "b.zarr"], ("distance.tif", "changed.tif", "change.json", "before.qml")),
    (["compare", "default", "default", "--data", "none.parquet", "--labels", "a"], ("compare.csv", "differences.pdf")),
    (["evaluate", "suite", "none.parquet", "--labels", "a"], REPORT),
    (["evaluate", "paper", "none.zarr"], (*REPORT[:2], "tables/tasks.csv", "countries/report.html")),
    (["evaluate", "scenic", "none.parquet", "--votes", "none.tsv"], ("scenic.json", "scenic.csv", "scenic.svg")),
    (["evaluate", "sweep", "sweep.yaml"], ("sweep.csv", "sweep.json")),
    (["train", "recipe.yaml"], ("recipe.yaml", "run.json", "state.pt", "metrics.csv", "last/notes.txt")),
    (["data", "split", "none.zarr"], ("train.txt", "unused.txt")),
    (["ground", "embed", "none"], ("ground.json", "part-000000.parquet")),
    (["embed-area", "none.nc"], ("zarr.json", "vectors/notes.txt")),
]
"""Commands that add files to a folder, and names of such files."""

WHOLE = [
    ["adapt", "none.parquet", "--labels", "a"],
    ["import", "official", "none.pt"],
    ["import", "clip", "none.pt"],
    ["data", "sen4map", "none.h5"],
    ["data", "points", "none.parquet", "--year", "2018"],
    ["embed-area", "none.nc"],
]
"""Commands whose output is a whole folder."""

SINGLE = [
    (["classify", "none.parquet"], "out.parquet"),
    (["embed", "none.parquet"], "out.parquet"),
    (["data", "pair", "none.zarr", "none.csv"], "out.csv"),
    (["data", "pair", "none.zarr", "none.csv"], "out.parquet"),
    (["export", "official", "default"], "out.pt"),
]
"""Commands that write one file."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="timesenclip")


def snapshot(root: Path) -> dict[str, bytes | None]:
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else None for name, path in files.items()}


def refused(result: Result, named: str) -> None:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("error: "), result.stderr
    assert named in result.stderr


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with what a command reads before it looks at its output."""
    monkeypatch.chdir(tmp_path)
    sweep = {"data": ["none.parquet"], "labels": "a", "checkpoints": ["default"], "prompts": ["maize", "water"]}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump({"name": "s", **sweep}))
    data = {"series": "none.zarr", "ground": "none"}
    recipe = {"recipe": "photos", "name": "small", "encoder": "tiny", "data": data}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "name"),
    [pytest.param(command, name, id=f"{' '.join(command[:2])} {name}") for command, names in ADDED for name in names],
)
def test_a_file_of_a_name_that_would_be_written_is_refused(command: list[str], name: str, home: Path) -> None:
    precious = home / "out" / name
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    (home / "out" / "thesis.tex").write_text("precious, too")
    before = snapshot(home)
    refused(run(*command, "-o", home / "out"), "out")
    assert snapshot(home) == before


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]], ids=["", "overwrite"])
@pytest.mark.parametrize("command", WHOLE, ids=lambda command: " ".join(command[:2]))
def test_a_folder_of_somebody_else_is_refused(command: list[str], overwrite: list[str], home: Path) -> None:
    (home / "out" / "sub").mkdir(parents=True)
    (home / "out" / "sub" / "thesis.tex").write_text("precious")
    before = snapshot(home)
    for place in (home / "out", ".", home):
        refused(run(*command, *overwrite, "-o", place), "'")
        assert snapshot(home) == before


@pytest.mark.parametrize("content", [b"precious", b"PAR1", b"PK\x03\x04", b"series_id,photo_id\n"])
@pytest.mark.parametrize(("command", "name"), SINGLE, ids=[f"{' '.join(c[:2])} {name}" for c, name in SINGLE])
def test_a_single_file_of_somebody_else_is_refused(command: list[str], name: str, content: bytes, home: Path) -> None:
    (home / name).write_bytes(content)
    before = snapshot(home)
    refused(run(*command, "-o", home / name), f"{name}' was not written by timesenclip")
    assert snapshot(home) == before


@pytest.mark.parametrize("name", ["farm.zarr.item.json", "farm.zarr.manifest.jsonl"])
def test_files_beside_a_store_are_refused_by_name(name: str, home: Path) -> None:
    (home / name).write_text("precious")
    before = snapshot(home)
    refused(run("embed-area", "none.nc", "-o", home / "farm.zarr"), name)
    assert snapshot(home) == before


def test_an_output_is_never_an_input(home: Path) -> None:
    from timesenclip.testing import random_series, write_wide_table

    table = write_wide_table(random_series(5), home / "points.parquet")
    before = table.read_bytes()
    refused(run("classify", table, "-o", table), "is also an input")
    assert table.read_bytes() == before


def test_other_files_of_a_folder_stay_and_the_command_can_be_repeated(home: Path) -> None:
    out = home / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    for _ in range(2):
        assert run("demo", "-o", out).exit_code == 0
    assert (out / "thesis.tex").read_text() == "precious"
    (out / "zones.csv").write_text("precious")
    before = snapshot(out)
    refused(run("demo", "-o", out), "zones.csv")
    assert snapshot(out) == before


def test_stores_with_one_stem_share_no_file_and_spare_their_neighbours(home: Path) -> None:
    from timesenclip.testing import random_cube, write_netcdf_cube

    cube = write_netcdf_cube(random_cube((16, 16)), home / "cube")
    for name in ("farm.json", "farm.manifest.jsonl"):
        (home / name).write_text("precious")
    for store in ("farm.2018", "farm.2019", "farm.2018"):
        assert run("embed-area", cube, "--block", 16, "-o", home / store).exit_code == 0
    assert [(home / name).read_text() for name in ("farm.json", "farm.manifest.jsonl")] == ["precious"] * 2
    beside = {path.name for path in home.glob("farm.20*")}
    endings = ("", ".item.json", ".manifest.jsonl")
    assert beside == {f"farm.{year}{ending}" for year in (2018, 2019) for ending in endings}
    other = run("embed-area", cube, "--block", 16, "--dims", 8, "-o", home / "farm.2018")
    refused(other, "--overwrite to remove the store")
    (home / "farm.2018" / "vectors" / "notes.txt").write_text("precious")
    command = ["embed-area", cube, "--block", 16, "--dims", 8, "--overwrite", "-o", home / "farm.2018"]
    refused(run(*command), "vectors/notes.txt")
    (home / "farm.2018" / "vectors" / "notes.txt").unlink()
    assert run(*command).exit_code == 0
