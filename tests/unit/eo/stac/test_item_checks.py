"""Junk in every field of an item that is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.stac.item_checks import (
    footprint,
    item_assets,
    item_id,
    item_properties,
    item_version,
    optional_number,
    parse_moment,
)
from timesenclip.eo.stac.open import open_stac
from timesenclip.errors import BrokenItemError, DataNotFoundError, DegradedInputWarning
from timesenclip.messages import show_value

BOX = [4.99, 50.99, 5.01, 51.01]
RING = [[4.5, 50.5], [5.5, 50.5], [5.5, 51.5], [4.5, 51.5], [4.5, 50.5]]
NAN = float("nan")


def item(**changes: Any) -> dict[str, Any]:
    properties = {"datetime": "2023-06-01T10:50:00Z", "s2:processing_baseline": "05.09", "s2:mgrs_tile": "31UFS"}
    properties |= changes.pop("more", {})
    return {
        "type": "Feature",
        "id": "junk",
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "properties": properties,
        "assets": {band: {"href": f"./{band}.tif"} for band in (*BAND_NAMES, SCL_NAME)},
    } | changes


def polygon(coordinates: Any) -> dict[str, Any]:
    return {"geometry": {"type": "Polygon", "coordinates": coordinates}}


JUNK: dict[str, tuple[dict[str, Any], str]] = {
    **{
        f"datetime {show_value(value)}": ({"more": {"datetime": value}}, "datetime")
        for value in ("", "yesterday", "today", "now", float("inf"), None, "0000-00-00", "99999-01-01T00:00:00Z", [],
                      {}, 20230601, "2023-13-01T00:00:00Z", "2023-06-01T99:00:00Z", True)
    },
    **{
        f"id {show_value(value)}": ({"id": value}, "id")
        for value in (None, [], {}, "", True, 1.5, "x" * 1_000_000, "a\x1b[31mb", "a\nb", "a\u202eb", "\udc80")
    },
    "properties null": ({"properties": None}, "datetime"),
    "properties a list": ({"properties": []}, "properties"),
    "properties text": ({"properties": "x"}, "properties"),
    "assets a list": ({"assets": []}, "assets"),
    "assets text": ({"assets": "x"}, "assets"),
    "geometry text": ({"geometry": "x"}, "geometry"),
    "geometry a list": ({"geometry": []}, "geometry"),
    "geometry of no type": ({"geometry": {"coordinates": [RING]}}, "geometry"),
    "geometry of another type": ({"geometry": {"type": "Circle", "coordinates": [0, 0]}}, "geometry"),
    "geometry of a type that is a list": ({"geometry": {"type": [], "coordinates": [0, 0]}}, "geometry"),
    "geometry without coordinates": ({"geometry": {"type": "Polygon"}}, "geometry"),
    "coordinates null": (polygon(None), "geometry"),
    "coordinates empty": (polygon([]), "geometry"),
    "coordinates of text": (polygon([[["a", 0], [1, 1], [1, 0], ["a", 0]]]), "geometry"),
    "coordinates of one corner": (polygon([[[4, 50]]]), "geometry"),
    "coordinates NaN": (polygon([[[NAN, 0], [1, 1], [1, 0], [NAN, 0]]]), "geometry"),
    "coordinates NaN within": (polygon([[[4, 50], [NAN, NAN], [5, 51], [4, 50]]]), "geometry"),
    "coordinates infinite": (polygon([[[float("inf"), 0], [1, 1], [1, 0], [0, 0]]]), "geometry"),
    "coordinates in metres": (polygon([[[500000, 5600000], [500100, 5600000], [500100, 5600100]]]), "geometry"),
    "cloud cover text": ({"more": {"eo:cloud_cover": "much"}}, "eo:cloud_cover"),
    "cloud cover NaN": ({"more": {"eo:cloud_cover": NAN}}, "eo:cloud_cover"),
    "cloud cover a list": ({"more": {"eo:cloud_cover": [1]}}, "eo:cloud_cover"),
    "cloud cover a truth": ({"more": {"eo:cloud_cover": True}}, "eo:cloud_cover"),
    "cloud cover beyond 100": ({"more": {"eo:cloud_cover": 1e9}}, "eo:cloud_cover"),
    "offset text": ({"more": {"timesenclip:boa_add_offset": "x"}}, "timesenclip:boa_add_offset"),
    "offset NaN": ({"more": {"timesenclip:boa_add_offset": NAN}}, "timesenclip:boa_add_offset"),
    "offset a list": ({"more": {"timesenclip:boa_add_offset": [1]}}, "timesenclip:boa_add_offset"),
    "offset too large": ({"more": {"timesenclip:boa_add_offset": 10**400}}, "timesenclip:boa_add_offset"),
}  # fmt: skip


def catalog(folder: Path, *items: Any) -> Path:
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


@pytest.mark.parametrize("case", JUNK)
def test_a_broken_item_is_refused_alone_and_left_out_beside_others(tmp_path: Path, case: str) -> None:
    changes, field = JUNK[case]
    broken = item(**changes)
    with pytest.raises(DataNotFoundError, match=r"none of its 1 items .* can be used; first: ") as caught:
        open_stac(BOX, 2023, catalog=catalog(tmp_path, broken))
    assert field in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)
    with pytest.warns(DegradedInputWarning, match=f"1 of 2 items are broken and left out: .*{field}"):
        source = open_stac(BOX, 2023, catalog=catalog(tmp_path, broken, item(id="good")))
    assert [scene.id for scene in source.scenes] == ["good"]


HARMLESS: dict[str, dict[str, Any]] = {
    "geometry null": {"geometry": None},
    "geometry with heights": polygon([[[*corner, 5.0] for corner in RING]]),
    "geometry that crosses itself": polygon([[[4, 50], [6, 52], [6, 50], [4, 52], [4, 50]]]),
    "grid code a number": {"more": {"grid:code": 5, "s2:mgrs_tile": None}},
    "proj junk": {"more": {"proj:epsg": "x", "proj:shape": NAN, "proj:transform": None}},
    "bbox junk": {"bbox": [NAN, "x"]},
    "cloud cover null": {"more": {"eo:cloud_cover": None}},
    "cloud cover as text": {"more": {"eo:cloud_cover": "10.5"}},
    "id a number": {"id": 5},
    "links junk": {"links": 5},
    "collection junk": {"more": {"platform": 5, "title": [], "created": {}}},
    "baseline junk": {"more": {"s2:processing_baseline": [], "processing:version": 5}},
    "an asset null": {"assets": item()["assets"] | {"thumbnail": None, "B01": 5, "other": {"href": None}}},
}


@pytest.mark.parametrize("case", HARMLESS)
def test_junk_where_nothing_is_read_does_no_harm(tmp_path: Path, case: str) -> None:
    assert len(open_stac(BOX, 2023, catalog=catalog(tmp_path, item(**HARMLESS[case]))).scenes) == 1


@pytest.mark.parametrize("asset", [None, 5, [], {}, {"href": None}, {"href": 5}, {"href": ""}])
def test_a_band_without_a_usable_href_is_missing(tmp_path: Path, asset: Any) -> None:
    broken = item(id="part", assets=item()["assets"] | {"B11": asset})
    assert "B11" not in open_stac(BOX, 2023, catalog=catalog(tmp_path, broken)).bands_there()
    with pytest.warns(DegradedInputWarning, match="part has no B11"):
        open_stac(BOX, 2023, catalog=catalog(tmp_path, broken, item(more={"datetime": "2023-07-01T10:50:00Z"})))


def test_an_item_that_stands_there_twice_counts_once(tmp_path: Path) -> None:
    assert len(open_stac(BOX, 2023, catalog=catalog(tmp_path, item(), item(), item())).scenes) == 1


def test_entries_that_are_no_items_are_named(tmp_path: Path) -> None:
    for junk in (5, None, [], "x"):
        with pytest.raises(DataNotFoundError, match="an entry is no item but"):
            open_stac(BOX, 2023, catalog=catalog(tmp_path, junk))


def test_values_that_are_as_expected() -> None:
    assert item_id({"id": 7}) == "7"
    assert item_properties({}) == {}
    assert item_assets({"assets": {"a": {"href": "x"}, "b": None}}) == {"a": "x"}
    assert optional_number({"x": "5"}, "x", 0, 10) == 5
    assert optional_number({}, "x", 0, 10) is None
    assert parse_moment("20230506T105031") == np.datetime64("2023-05-06T10:50:31")
    assert parse_moment("2023-05-06T10:50:31+02:00") == np.datetime64("2023-05-06T08:50:31")
    assert parse_moment("0001-01-01T00:00:00+23:00") is None
    assert footprint({"type": "Point", "coordinates": [4, 50]}).area > 0
    with pytest.raises(BrokenItemError, match="has x 11, expected a number from 0 to 10"):
        optional_number({"x": 11}, "x", 0, 10)


def test_the_version_follows_what_the_item_says_of_it() -> None:
    def version(asset: dict[str, Any] | None = None, **properties: Any) -> str:
        return item_version({"properties": properties, "assets": {"a": asset or {}, "b": {"file:size": 1}}}, {"a"})

    one = version(updated="2023")
    assert one == version(updated="2023", title="x")
    others = [version(), version(updated="2024"), version({"file:checksum": "12"}, updated="2023")]
    assert len({one, *others}) == 4
