"""Whatever is wrong with the input: exit code 2, nothing on stdout, one line on stderr that names it and what to do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

import timesenclip
from timesenclip.bands import BAND_NAMES

from .conftest import cube_dataset, long_frame, maize_dn, wide_frame


def refused(result) -> str:
    """The one line with which the command line said no."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def with_dn(change: Callable[[np.ndarray], object]) -> pd.DataFrame:
    dn = maize_dn(3)
    change(dn)
    return wide_frame(dn)


def reflectance_frame() -> pd.DataFrame:
    frame = wide_frame(maize_dn(3))
    bands = [name for name in frame if name.startswith("OPTICAL")]
    return frame.assign(**(frame[bands] / 10_000.0))


POINT_CASES = {
    "no band": (lambda: wide_frame(maize_dn(3)).filter(regex="^(?!OPTICAL)"), [], r"has no band columns.*Found:"),
    "bands of two sensors": (
        lambda: (
            wide_frame(maize_dn(3))
            .filter(regex="^(?!.*(B08|B8A|B12))")
            .rename(columns=lambda name: name.removeprefix("OPTICAL-"))
        ),
        [],
        r"B05, B06, B07 may be red edge .*--sensor",
    ),
    "unknown band": (
        lambda: wide_frame(maize_dn(3)).rename(columns=lambda c: c.replace("B11", "B99")),
        [],
        r"B99",
    ),
    "DN given as reflectance": (lambda: wide_frame(maize_dn(3)), ["--units", "reflectance"], r"0\.\.1.*(dn|10000)"),
    "reflectance given as DN": (reflectance_frame, ["--units", "dn"], r"(?i)reflectance"),
    "a pixel that is all cloud": (
        lambda: with_dn(lambda dn: dn.fill(65535)).iloc[:1],
        [],
        r"1 of 1 points .*clear.*field-0",
    ),
    "a pixel that is all cloud, strictly": (lambda: with_dn(lambda dn: dn[1].fill(65535)), ["--strict"], r"field-1"),
    "no valid month": (lambda: with_dn(lambda dn: dn.fill(65535)), [], r"(?i)(clear|valid|cloud)"),
    "period without data": (lambda: wide_frame(maize_dn(3)), ["--period", "2031"], r"2031"),
    "unreadable period": (lambda: wide_frame(maize_dn(3)), ["--period", "last summer"], r"last summer"),
    "zero points": (lambda: wide_frame(maize_dn(3)).iloc[:0], [], r"(?i)(no|zero|0) .*(row|point|series)"),
    "no start date": (lambda: wide_frame(maize_dn(3)).drop(columns="start_date"), [], r"start_date"),
    "neither wide nor long": (lambda: pd.DataFrame({"a": [1]}), [], r"OPTICAL|S2-L2A"),
    "duplicate dates": (
        lambda: pd.concat([long_frame(maize_dn(3)), long_frame(maize_dn(3)).iloc[:1]]),
        [],
        r"(?i)(duplicate|twice|more than once)",
    ),
    "no timestamp": (lambda: long_frame(maize_dn(3)).drop(columns="timestamp"), [], r"timestamp"),
    "empty prompt": (lambda: wide_frame(maize_dn(3)), ["--prompt", "maize", "--prompt", " "], r"(?i)empty"),
    "same prompt twice": (lambda: wide_frame(maize_dn(3)), ["-p", "maize", "-p", "Maize"], r"more than once"),
    "unknown taxonomy": (
        lambda: wide_frame(maize_dn(3)),
        ["--taxonomy", "lucas-landcover"],
        r"lucas-landcover.*Did you mean 'lucas-land-cover'\?",
    ),
    "unknown template set": (lambda: wide_frame(maize_dn(3)), ["--templates", "sattelite"], r"sattelite"),
    "two questions": (lambda: wide_frame(maize_dn(3)), ["-p", "maize", "-t", "worldcover"], r"one of them"),
    "output of another kind": (lambda: wide_frame(maize_dn(3)), ["-o", "out.xlsx"], r"\.parquet"),
    "no such checkpoint": (lambda: wide_frame(maize_dn(3)), ["--checkpoint", "defualt"], r"defualt"),
}


@pytest.mark.parametrize("case", POINT_CASES)
def test_points(case: str, run, tmp_path: Path):
    make, options, message = POINT_CASES[case]
    path = tmp_path / "points.parquet"
    make().to_parquet(path)
    line = refused(run("classify", path, *options))
    assert re.search(message, line), line


def test_table_that_is_not_there(run, tmp_path: Path):
    assert "nowhere.parquet" in refused(run("classify", tmp_path / "nowhere.parquet"))


def test_table_that_is_no_table(run, tmp_path: Path):
    path = tmp_path / "points.parquet"
    path.write_bytes(b"PAR1 or not")
    assert "points.parquet" in refused(run("classify", path))


def test_nothing_is_left_behind_when_it_fails_half_way(run, tmp_path: Path):
    path = tmp_path / "points.parquet"
    with_dn(lambda dn: dn[2].fill(65535)).to_parquet(path)
    refused(run("classify", path, "--strict", "-o", tmp_path / "out" / "answer.parquet"))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def swap_dates(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(timestamp=[1, 0, *range(2, 12)])


def double_date(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(timestamp=[0, 0, *range(2, 12)])


CUBE_CASES = {
    "without a CRS": (lambda d: d.drop_vars("spatial_ref"), [], r"CRS"),
    "no known band": (lambda d: d.drop_vars([*BAND_NAMES]), [], r"no known band.*expected at least one of B02"),
    "unsorted dates": (swap_dates, ["--strict"], r"(?i)(sorted|order|increas)"),
    "duplicate dates": (double_date, [], r"(?i)(duplicate|twice|more than once)"),
    "all cloud": (lambda d: d.assign(SCL=d["SCL"] * 0 + 9), [], r"(?i)(clear|cloud)"),
    "year without data": (lambda d: d, ["--year", "2031"], r"2031"),
    "year and period": (lambda d: d, ["--year", "2020", "--period", "2020"], r"one of them"),
}


@pytest.mark.parametrize("case", CUBE_CASES)
def test_cube(case: str, run, tmp_path: Path):
    change, options, message = CUBE_CASES[case]
    path = tmp_path / "cube.nc"
    change(cube_dataset()).to_netcdf(path, engine="h5netcdf")
    line = refused(run("map", path, "-p", "maize", "-o", tmp_path / "out", *options))
    assert re.search(message, line), line
    assert not (tmp_path / "out" / "classes.tif").exists()


def test_truncated_netcdf(run, cube: Path, tmp_path: Path):
    cube.write_bytes(cube.read_bytes()[: cube.stat().st_size // 2])
    assert "cube.nc" in refused(run("map", cube, "-p", "maize", "-o", tmp_path / "out"))


def test_checkpoint_of_another_version(run, points: Path, tmp_path: Path):
    folder = Path(timesenclip.__file__).parent / "weights" / "default"
    copy = Path(shutil.copytree(folder, tmp_path / "old"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"format_version": 99}))
    assert "99" in refused(run("classify", points, "--checkpoint", copy))


def test_one_point_is_enough(run, tmp_path: Path):
    path = tmp_path / "point.parquet"
    wide_frame(maize_dn(1)).to_parquet(path)
    answer = json.loads(run("classify", path, "--json").stdout)
    assert answer["count"] == 1


def test_nan_and_65535_are_both_not_observed(run, tmp_path: Path):
    """A gap is the same gap however it is written, and is no reason to refuse."""
    filled = with_dn(lambda dn: dn[:, 3].fill(65535))
    gaps = filled.astype({name: "float64" for name in filled if name.startswith("OPTICAL")}).replace(65535, np.nan)
    answers = []
    for name, frame in (("65535", filled), ("nan", gaps)):
        frame.to_parquet(tmp_path / f"{name}.parquet")
        result = run("classify", tmp_path / f"{name}.parquet", "-o", tmp_path / "out.parquet")
        assert result.exit_code == 0, result.stderr
        answers.append(pd.read_parquet(tmp_path / "out.parquet"))
    pd.testing.assert_frame_equal(*answers)


@pytest.mark.parametrize("command", ["classify", "embed"])
def test_one_cloudy_pixel_among_others_is_named_and_kept_without_an_answer(command: str, run, tmp_path: Path):
    path = tmp_path / "points.parquet"
    with_dn(lambda dn: dn[1].fill(65535)).to_parquet(path)
    result = run(command, path, "-o", tmp_path / "out.parquet")
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1
    assert re.match(r"warning: .*1 of 3 points have no clear observation \(field-1\)", result.stderr)
    answer = pd.read_parquet(tmp_path / "out.parquet").set_index("sample_id")
    assert answer.isna().any(axis=1).tolist() == [False, True, False]
    if command == "classify":
        assert answer.loc["field-1", "label"] == "unknown"
        assert pd.isna(answer.loc["field-1", "confidence"])


@pytest.mark.parametrize("command", ["map", "embed-area"])
@pytest.mark.parametrize("option", [["--max-cloud", "10"], ["--readers", "4"], ["--resampling", "bilinear"]], ids=str)
def test_options_of_a_search_are_refused_beside_a_cube(command: str, option: list[str], run, tmp_path: Path):
    said = refused(run(command, tmp_path / "not-there.nc", *option, "-o", tmp_path / "out"))
    assert f"{option[0]} " in said
    assert "applies to a search, but --aoi was not given" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["classify", "map", "embed-area", "adapt", "evaluate suite"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--period", "2018", "--year", "2018"], "both given"),
        (["--period", "spring"], "Cannot read the period 'spring'"),
    ],
    ids=["both", "no period"],
)
def test_a_period_is_checked_before_anything_is_opened(command: str, given, words: str, run, tmp_path: Path):
    more = ["-o", tmp_path / "out.parquet"] if command not in ("evaluate suite",) else []
    more += ["--labels", "kind"] if command in ("adapt", "evaluate suite") else []
    assert words in refused(run(*command.split(), tmp_path / "not-there.nc", *given, *more, "--checkpoint", "none"))


@pytest.mark.parametrize("command", ["map", "embed-area"])
def test_blocks_that_are_no_multiple_of_16_are_refused(command: str, run, cube: Path, tmp_path: Path):
    said = refused(run(command, cube, "--block", 17, "-o", tmp_path / "out"))
    assert "Blocks of 17 pixels; give a multiple of 16, such as 256." in said


@pytest.mark.parametrize("year", ["18", "0018", "20180"])
def test_a_year_that_no_satellite_saw_is_refused(year: str, run, tmp_path: Path):
    said = refused(run("classify", tmp_path / "not-there.csv", "--year", year))
    assert f"The year is {int(year)}; expected 1972 to 2100" in said
    said = refused(run("classify", tmp_path / "not-there.csv", "--period", "0018-03..0018-05"))
    assert "The year is 18; expected 1972 to 2100" in said


def test_a_single_image_is_no_cube(run, tmp_path: Path):
    grid = rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)
    with rasterio.open(tmp_path / "scores.tif", "w", "GTiff", 4, 4, 1, "EPSG:32631", grid, "uint8") as file:
        file.write(np.ones((1, 4, 4), dtype=np.uint8))
    said = refused(run("map", tmp_path / "scores.tif", "-p", "maize", "-o", tmp_path / "out"))
    assert "is a single image, not a cube of several dates; give the folder of the images" in said
    assert "netCDF" not in said


def test_a_misspelt_option_has_one_hint(run, points: Path):
    said = refused(run("classify", points, "--taxonmy", "lucas-land-cover"))
    assert said.endswith("(Possible options: --taxonomy; see timesenclip classify --help)")
    said = refused(run("classify", points, "--year", "soon"))
    assert said.endswith("(see timesenclip classify --help)")
