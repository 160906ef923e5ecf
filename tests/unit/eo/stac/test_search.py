"""Items on disk, narrowed to the area and the time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from timesenclip.eo.period import Period
from timesenclip.eo.stac.aoi import Aoi, open_aoi
from timesenclip.eo.stac.search import find_items
from timesenclip.errors import DataNotFoundError, InputError

HERE = [[4.9, 50.9], [5.1, 50.9], [5.1, 51.1], [4.9, 51.1], [4.9, 50.9]]
FAR = [[x + 20, y] for x, y in HERE]
YEAR = Period.of_year(2023)


@pytest.fixture(scope="module")
def area() -> Aoi:
    return open_aoi([4.99, 50.99, 5.01, 51.01])


def item(name: str, moment: str | None = "2023-06-01T10:50:00Z", ring: list[list[float]] = HERE) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": moment},
        "assets": {"B02": {"href": "./B02.tif"}, "B03": {"href": "https://example.org/B03.tif"}},
    }


def written(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def names(catalog: str, area: Aoi, collection: str = "sentinel-2-l2a") -> list[str]:
    return [found["id"] for found in find_items(catalog, collection=collection, aoi=area, period=YEAR)]


def test_items_elsewhere_and_of_other_times_are_left_out(tmp_path: Path, area: Aoi) -> None:
    items = [
        item("here"),
        item("far", ring=FAR),
        item("before", "2022-12-30T10:00:00Z"),
        item("the day before", "2022-12-31T23:50:00Z"),  # the solar day may be the next one
        item("after", "2024-01-02T10:00:00Z"),
        item("without a time", None),  # refused by name when its scene is read
    ]
    path = written(tmp_path / "items.json", {"type": "FeatureCollection", "features": items})
    assert names(path, area) == ["here", "the day before", "without a time"]


def test_a_catalogue_is_crawled_once_and_paths_do_not_depend_on_where_it_stands(tmp_path: Path, area: Aoi) -> None:
    written(tmp_path / "a" / "item.json", item("one"))
    links = [{"rel": "item", "href": "./a/item.json"}, {"rel": "child", "href": "./catalog.json"}]
    written(tmp_path / "catalog.json", {"type": "Catalog", "links": links})
    found = find_items(str(tmp_path), collection="sentinel-2-l2a", aoi=area, period=YEAR)
    assert [one["id"] for one in found] == ["one"]
    assert found[0]["assets"]["B02"]["href"] == str((tmp_path / "a" / "B02.tif").resolve())
    assert found[0]["assets"]["B03"]["href"] == "https://example.org/B03.tif"


def test_catalogues_that_cannot_be_used_are_named(tmp_path: Path, area: Aoi) -> None:
    with pytest.raises(DataNotFoundError, match="No STAC catalogue at"):
        names(str(tmp_path / "nothing.json"), area)
    path = written(tmp_path / "items.json", {"type": "FeatureCollection", "features": [item("x")]})
    with pytest.raises(DataNotFoundError, match="no items of collection 'landsat', only of sentinel-2-l2a"):
        names(path, area, "landsat")
    with pytest.raises(DataNotFoundError, match="is no STAC \\(its type is 'Table'\\)"):
        names(written(tmp_path / "other.json", {"type": "Table"}), area)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataNotFoundError, match=r"Cannot read .*broken\.json"):
        names(str(tmp_path / "broken.json"), area)


def test_names_that_are_no_catalogue_and_pipes_are_refused_at_once(tmp_path: Path, area: Aoi) -> None:
    for name in ("/vsizip//tmp/x.zip", "a\0b", "a" * 5000):
        with pytest.raises(InputError, match="is no path of a catalogue"):
            names(name, area)
    os.mkfifo(tmp_path / "catalog.json")
    for path in (tmp_path, tmp_path / "catalog.json"):
        with pytest.raises(InputError, match="is no regular file"):
            names(str(path), area)


def test_what_cannot_be_placed_is_kept_to_be_named(tmp_path: Path, area: Aoi) -> None:
    junk = [item("time", "yesterday"), item("number", 5), item("place") | {"geometry": "x"}, 5, item("far", ring=FAR)]  # type: ignore[arg-type]
    path = written(tmp_path / "items.json", {"type": "FeatureCollection", "features": junk})
    found = find_items(path, collection="sentinel-2-l2a", aoi=area, period=YEAR)
    assert [one["id"] if isinstance(one, dict) else one for one in found] == ["time", "number", "place", 5]
