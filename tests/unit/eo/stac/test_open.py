"""From a search to a source: which scenes are kept, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.stac.open import open_stac
from timesenclip.errors import BandError, DataNotFoundError, DegradedInputWarning, InputError

BOX = [4.99, 50.99, 5.01, 51.01]
RING = [[4.5, 50.5], [5.5, 50.5], [5.5, 51.5], [4.5, 51.5], [4.5, 50.5]]


def item(name: str, *, without: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "properties": {
            "datetime": "2023-06-01T10:50:00Z",
            "s2:processing_baseline": "05.09",
            "s2:mgrs_tile": "31UFS",
            "platform": "S2A",
            "eo:cloud_cover": 10.0,
            **properties,
        },
        "assets": {band: {"href": f"./{name}/{band}.tif"} for band in (*BAND_NAMES, SCL_NAME) if band != without},
    }


def catalog(folder: Path, *items: dict[str, Any]) -> Path:
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def test_scenes_are_sorted_by_day_and_the_own_zone_goes_first(tmp_path: Path) -> None:
    path = catalog(
        tmp_path,
        item("later", datetime="2023-07-01T10:50:00Z"),
        item("other zone", **{"s2:mgrs_tile": "30UYB"}),
        item("own zone"),
        item("cloudy", datetime="2023-06-11T10:50:00Z", **{"eo:cloud_cover": 95.0}),
    )
    source = open_stac(BOX, 2023, catalog=path)
    assert [scene.id for scene in source.scenes] == ["own zone", "other zone", "later"]
    assert source.dates.tolist() == [np.datetime64(day).astype(object) for day in ("2023-06-01", "2023-07-01")]
    assert source.notes["search"]["too_cloudy"] == 1
    assert source.notes["search"]["found"] == 4
    assert {scene.offset.offset_dn for scene in source.scenes} == {1000}
    assert source.crs == "EPSG:32631"
    again = open_stac(BOX, 2023, catalog=path)
    assert again.identity == source.identity
    assert open_stac(BOX, 2023, catalog=path, offset_dn=0).identity != source.identity


def test_scenes_without_a_band_that_others_have_are_kept_and_named(tmp_path: Path) -> None:
    path = catalog(tmp_path, item("whole"), item("part", without="B11", datetime="2023-06-11T10:50:00Z"))
    with pytest.warns(DegradedInputWarning, match="1 of 2 scenes lack bands, .*missing there: part has no B11"):
        source = open_stac(BOX, 2023, catalog=path)
    assert [scene.id for scene in source.scenes] == ["whole", "part"]
    assert source.notes["scenes_without"] == {"part": ["B11"]}
    assert source.bands_there() == BAND_NAMES
    assert source.bands_there("2023-06-10..2023-06-30") == tuple(name for name in BAND_NAMES if name != "B11")
    alone = open_stac(
        BOX, 2023, catalog=catalog(tmp_path, item("part", without="B11"))
    )  # nothing is said: no band of it
    assert "B11" not in alone.bands_there()


def test_of_a_day_scenes_that_lack_fewer_bands_go_first(tmp_path: Path) -> None:
    path = catalog(tmp_path, item("a", without="B11"), item("b", **{"s2:mgrs_tile": "30UYB"}))
    with pytest.warns(DegradedInputWarning, match="a has no B11"):
        source = open_stac(BOX, 2023, catalog=path)
    assert [scene.id for scene in source.scenes] == ["b", "a"]


def test_scenes_without_scl_or_any_band_are_left_out_and_named(tmp_path: Path) -> None:
    bare = item("bare", datetime="2023-06-11T10:50:00Z")
    bare["assets"] = {SCL_NAME: bare["assets"][SCL_NAME]}
    path = catalog(tmp_path, item("whole"), item("cloudy", without=SCL_NAME, datetime="2023-07-11T10:50:00Z"), bare)
    with pytest.warns(DegradedInputWarning, match="2 of 3 scenes are left out: bare has no known band; cloudy has no"):
        source = open_stac(BOX, 2023, catalog=path)
    assert [scene.id for scene in source.scenes] == ["whole"]
    with pytest.raises(BandError, match="bare has no known band; expected at least one of B02"):
        open_stac(BOX, 2023, catalog=catalog(tmp_path, bare))


def test_an_old_scene_without_a_baseline_is_said(tmp_path: Path) -> None:
    old = item("old", datetime="2019-06-01T10:50:00Z", **{"s2:processing_baseline": None})
    with pytest.warns(DegradedInputWarning, match="1 of 1 scenes say no processing baseline"):
        source = open_stac(BOX, 2019, catalog=catalog(tmp_path, old))
    assert source.scenes[0].offset.assumed


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_cloud": 0}, "A cloud limit of 0 %"),
        ({"resampling": "cubic"}, "Unknown resampling 'cubic'"),
        ({"workers": 0}, "workers 0; expected"),
        ({"retries": -1}, "retries -1"),
        ({"dilate_px": -1}, "dilate_px -1"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_the_search(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        open_stac(BOX, 2023, catalog="/nothing/there", **options)


def test_where_nothing_is_left_the_reason_is_said(tmp_path: Path) -> None:
    path = catalog(tmp_path, item("cloudy", **{"eo:cloud_cover": 95.0}))
    with pytest.raises(DataNotFoundError, match=r"All 1 scenes of .* have more than 80 % cloud"):
        open_stac(BOX, 2023, catalog=path)
    with pytest.raises(DataNotFoundError, match=r"No scene of .* shows .* in 2020-01-01"):
        open_stac(BOX, 2020, catalog=path)
    with pytest.raises(InputError, match="A search needs a period"):
        open_stac(BOX, None, catalog=path)  # type: ignore[arg-type]
