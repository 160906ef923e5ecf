"""`data` and `ground`: every option reaches the library, and what failed is named."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn


class Store(list[int]):
    """As many places as it is long."""

    attributes: ClassVar[dict[str, object]] = {}


def test_every_option_reaches_the_conversion(run: Run, stand_in: StandIn, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("41000001\n41000002\n")
    calls = stand_in("data.sen4map.convert_sen4map", SimpleNamespace(store=Store(range(24)), failed={}))
    options = ["--patch", 5, "--compositing", "authors", "--only", ids, "--workers", 3]
    result = run("data", "sen4map", "a.h5", "b.h5", *options, "-o", "s.zarr", "--json")
    assert result.exit_code == 0, result.output
    assert list(calls[0].pop("only")) == ["41000001", "41000002"]
    assert calls == [
        {
            "files": [Path("a.h5"), Path("b.h5")],
            "out": Path("s.zarr"),
            "patch_size": 5,
            "compositing": "authors",
            "workers": 3,
            "overwrite": False,
            "progress": ANY,
        }
    ]
    assert json.loads(result.stdout) == {"count": 24, "failed": {}, "output": "s.zarr"}


def test_what_could_not_be_read_is_named_and_the_rest_is_kept(run: Run, stand_in: StandIn) -> None:
    failed = {f"{i}": f"group {i}: no dataset SCL" for i in range(7)}
    stand_in("data.sen4map.convert_sen4map", SimpleNamespace(store=Store(range(17)), failed=failed))
    result = run("data", "sen4map", "a.h5", "-o", "s.zarr")
    assert (result.exit_code, result.stdout) == (1, "17 places: s.zarr\n")
    *named, last = result.stderr.splitlines()
    assert named == [f"left out: group {i}: no dataset SCL" for i in range(5)]
    assert last == "error: 7 places could not be read (the first 5 are named above); the rest is kept."
    answer = json.loads(run("data", "sen4map", "a.h5", "-o", "s.zarr", "--json").stdout)
    assert answer["failed"] == failed


def test_points_are_read_and_composited_over_one_period(run: Run, stand_in: StandIn) -> None:
    read = stand_in("eo.points.read.read_points", "the points")
    monthly = stand_in("eo.composite.composite_series", "the composites")
    stored = stand_in("data.store_writer.store_points", Store(range(6)))
    result = run("data", "points", "x.parquet", "--year", 2021, "--units", "dn", "-o", "s.zarr")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "6 places: s.zarr\n", "")
    assert read[0].pop("outliers") == "keep"  # what trains on a store chooses for itself
    usual = {"step": "month", "offset_dn": 0, "sensor": "auto"}
    assert read == [{"path": Path("x.parquet"), "period": 2021, "units": "dn"} | usual]
    assert monthly == [{"series": "the points", "every": "month", "period": 2021}]
    assert stored == [
        {"series": ["the composites"], "folder": Path("s.zarr"), "source": "x.parquet", "overwrite": False}
    ]


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["data", "points", "x.parquet", "-o", "s.zarr"],
            "error: A training store needs one period for all points; give --year 2018 or --period.",
        ),
        (
            ["data", "points", "x.parquet", "--year", "2018", "--period", "2018", "-o", "s.zarr"],
            "error: --period 2018 and --year 2018 were both given; give one of them.",
        ),
        (["data", "split", "s.zarr"], "error: Missing option '--output' / '-o'. (see timesenclip data split --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(args: list[str], line: str, refused: Refused) -> None:
    assert refused(*args) == line


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["data", "sen4map", "-o", "s.zarr"], "error: Missing argument 'FILES"),
        (["data", "sen4map", "a.h5", "-o", "s.zarr", "--workers", "0"], "error: Invalid value for '--workers'"),
        (["ground", "embed", "photos", "-o", "g", "--batch-size", "0"], "error: Invalid value for '--batch-size'"),
    ],
)
def test_what_is_out_of_range_is_one_line(args: list[str], said: str, refused: Refused) -> None:
    assert refused(*args).startswith(said)  # the end of the line is typer's


def test_pairs_are_joined_within_the_limits_and_written(
    run: Run, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    from timesenclip.data.store import SeriesStore

    monkeypatch.setattr(SeriesStore, "open", lambda path: f"store {path}")
    photos = pd.DataFrame({"photo_id": ["a", "b", "c"]})
    pairs = pd.DataFrame({"series_id": ["1", "1"], "photo_id": ["a", "b"]})
    read = stand_in("data.pairs.read_photo_table", photos)
    joined = stand_in("data.pairs.join_pairs", pairs)
    written = stand_in("data.pairs.write_pairs")
    command = ["data", "pair", "s.zarr", "p.csv", "--max-distance", 50, "--max-days", 10, "-o", "pairs.csv"]
    result = run(*command, "--json")
    assert result.exit_code == 0, result.output
    assert [list(call.values()) for call in read] == [[Path("p.csv")]]
    assert joined[0].pop("photos") is photos
    assert joined == [{"store": "store s.zarr", "max_distance_m": 50.0, "max_days": 10}]
    table, path = written[0].values()
    assert table is pairs
    assert path == Path("pairs.csv")
    assert json.loads(result.stdout) == {"photos": 3, "pairs": 2, "places": 1, "output": "pairs.csv"}
    assert run(*command).stdout == "2 of 3 photographs at 1 places: pairs.csv\n"


def test_every_option_reaches_the_split(run: Run, stand_in: StandIn) -> None:
    calls = stand_in(
        "data.split_store.split_store", SimpleNamespace(places={"train": 1200, "test": 9}, nearest_m=2345.6)
    )
    options = ["--split-block-deg", 3, "--validation", 0.3, "--test", 0.2, "--gap", 500, "--seed", 7]
    result = run("data", "split", "s.zarr", *options, "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert calls == [
        {
            "store": Path("s.zarr"),
            "out": Path("out"),
            "block_deg": 3.0,
            "validation": 0.3,
            "test": 0.2,
            "gap_m": 500.0,
            "seed": 7,
        }
    ]
    assert json.loads(result.stdout) == {"places": {"train": 1200, "test": 9}, "nearest_m": 2345.6, "output": "out"}
    words = run("data", "split", "s.zarr", "-o", "out").stdout
    assert "1,200" in words
    assert words.endswith("nearest held-out place: 2,346 m from a training place; lists in out\n")


def test_every_option_reaches_the_photographs(run: Run, stand_in: StandIn) -> None:
    found = stand_in("data.photos.find_photos", SimpleNamespace(photos=("a", "b"), ignored=("x.jpg", "y.jpg")))
    towers = stand_in("ground.load.load_tower", "the tower")
    embedded = stand_in("data.ground_views.embed_photos", SimpleNamespace(written=2, known=1200, failed={}))
    result = run("ground", "embed", "photos", "--tower", "clip", "--revision", "v1", "--batch-size", 8, "-o", "g")
    assert result.exit_code == 0, result.output
    assert found == [{"source": Path("photos")}]
    assert towers == [{"name": "clip", "revision": "v1"}]
    assert embedded == [
        {"photos": ("a", "b"), "out": Path("g"), "tower": "the tower", "batch_size": 8, "progress": ANY}
    ]
    assert result.stdout == "2 photographs: g\n"
    assert result.stderr.splitlines() == [
        "2 images are not named after a point and view, such as x.jpg: left out",
        "1,200 photographs were embedded before",
    ]


def test_photographs_none_of_which_can_be_read_are_an_error(run: Run, stand_in: StandIn) -> None:
    stand_in("data.photos.find_photos", SimpleNamespace(photos=("a",), ignored=()))
    stand_in("ground.load.load_tower", "the tower")
    failed = {str(i): f"{i}.jpg is no image." for i in range(5)}
    stand_in("data.ground_views.embed_photos", SimpleNamespace(written=0, known=0, failed=failed))
    result = run("ground", "embed", "photos", "-o", "g")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: None of the 5 photographs could be read: 0.jpg is no image.")
    assert "and 2 more" in result.stderr


@pytest.mark.parametrize("name", ["--gap", "--split-block-deg", "--validation", "--test"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_numbers_of_a_split_that_cannot_be_are_refused(name: str, value: str, run: Run) -> None:
    result = run("data", "split", "s.zarr", "-o", "out", name, value)
    assert result.exit_code == 2
    assert name in result.stderr
