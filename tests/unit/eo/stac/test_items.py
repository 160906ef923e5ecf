from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.eo.stac.item_checks import footprint
from timesenclip.eo.stac.items import drop_duplicates, scene_from_item, solar_day
from timesenclip.eo.stac.providers import PROVIDERS
from timesenclip.errors import BrokenItemError, InputError


def test_the_flag_and_the_raster_offset_of_earth_search_are_not_believed():
    item = pc_item(
        "S2B_33UXP_20250302_0_L2A", **{"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "05.11"}
    )
    item["assets"] = {"red": {"href": "x", "raster:bands": [{"offset": -0.1}]}}
    assert scene(item, "earth-search").offset.offset_dn == 0


def pc_item(name: str, **properties: object) -> dict:
    return {
        "id": name,
        "collection": "sentinel-2-l2a",
        "properties": {"datetime": "2025-03-02T09:50:29Z", **properties},
    }


def scene(item: dict, provider: str = "planetary-computer", lon: float = 5.0):
    return scene_from_item(item, provider=PROVIDERS[provider], collection="sentinel-2-l2a", lon_deg=lon)


def test_facts_are_found_wherever_a_catalogue_puts_them():
    pc = scene(pc_item("S2A_MSIL2A_20230506T105031_R051_T31UDS_20230506T170000", **{
        "s2:mgrs_tile": "31UDS", "platform": "Sentinel-2A", "s2:processing_baseline": "05.09",
        "s2:datatake_id": "GS2A_20230506T105031_041103_N05.09", "s2:generation_time": "2023-05-06T17:00:00.000000Z",
    }))  # fmt: skip
    earth = scene(pc_item("S2A_31UDS_20230506_0_L2A", **{
        "grid:code": "MGRS-31UDS", "platform": "sentinel-2a", "s2:processing_baseline": "05.09",
        "s2:product_uri": "S2A_MSIL2A_20230506T105031_N0509_R051_T31UDS_20230506T170000.SAFE",
    }))  # fmt: skip
    cdse = scene(pc_item("S2A_MSIL2A_20230506T105031_N0509_R051_T31UDS_20230506T170000", **{
        "grid:code": "MGRS-31UDS", "platform": "sentinel-2a", "processing:version": "05.09",
    }))  # fmt: skip
    for found in (pc, earth, cdse):
        assert (found.tile, found.platform, found.baseline) == ("31UDS", "S2A", "05.09")
        assert found.sensed == np.datetime64("2023-05-06T10:50:31")
        assert found.made == "20230506170000"
    assert scene(pc_item("S2B_T43QDB_20200110T053549_L2A")).tile == "43QDB"
    with pytest.raises(InputError, match="'x' has no datetime"):
        scene({"id": "x", "properties": {}})


def test_a_solar_day_holds_a_pass_together_wherever_utc_changes_the_date():
    assert solar_day(np.datetime64("2023-05-06T23:59:50"), 177.0) == np.datetime64("2023-05-07")
    assert solar_day(np.datetime64("2023-05-07T00:00:10"), 177.0) == np.datetime64("2023-05-07")
    assert solar_day(np.datetime64("2023-05-07T00:00:10"), -150.0) == np.datetime64("2023-05-06")


def test_a_footprint_that_crosses_itself_is_mended():
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    assert footprint(bow).is_valid
    assert footprint(bow).area > 0.4
    assert footprint(None) is None


BASE = scene(pc_item("S2A_MSIL2A_20200506T105031_N0214_R051_T31UDS_20200506T170000"))


def test_the_newest_baseline_stays():
    new = replace(BASE, id="new", baseline="05.00", made="20230101")
    newest = replace(BASE, id="newest", baseline="05.00", made="20230601", sensed=BASE.sensed + np.timedelta64(2, "s"))
    ten = replace(BASE, id="ten", baseline="10.00")
    kept, dropped = drop_duplicates([newest, BASE, new])
    assert [s.id for s in kept] == ["newest"]
    assert set(dropped) == {BASE.id, "new"}
    assert [s.id for s in drop_duplicates([ten, newest])[0]] == ["ten"]  # as numbers, not as text


def test_what_only_looks_like_a_duplicate_stays():
    strip = np.datetime64("2020-05-06T10:50:26")
    north, south = replace(BASE, id="a", strip=strip), replace(BASE, id="b", strip=strip + np.timedelta64(200, "s"))
    others = [
        north,
        south,  # one pass in two data strips, which complete each other
        replace(BASE, id="c", platform="S2C"),  # in tandem with S2A
        replace(BASE, id="d", tile="31UES"),
        replace(BASE, id="e", sensed=BASE.sensed + np.timedelta64(100, "m")),  # the next orbit, far north
        replace(BASE, id="f", tile=""),
        replace(BASE, id="g", tile=""),
    ]
    kept, dropped = drop_duplicates(others)
    assert {s.id for s in kept} == set("abcdefg")
    assert dropped == {}
    again = replace(south, id="b2", baseline="05.00", strip=south.strip + np.timedelta64(1, "s"))
    assert {s.id for s in drop_duplicates([*others, again])[0]} == {"a", "b2", "c", "d", "e", "f", "g"}


def test_the_order_of_the_answer_does_not_matter():
    scenes = [replace(BASE, id=f"{tile}{baseline}", tile=tile, baseline=baseline) for tile in ("31UDS", "31UES")
              for baseline in ("02.14", "05.00")]  # fmt: skip
    assert drop_duplicates(scenes) == drop_duplicates(reversed(scenes))


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("LC08_L2SP_198024_20210510_02_T1", {}),
        ("HLS.L30.T31UFS.2021130T103631.v2.0", {}),
        ("x", {"platform": "landsat-9"}),
    ],
)
def test_scenes_of_landsat_are_not_taken_for_sentinel_2(name: str, properties: dict[str, str]) -> None:
    item = {
        "id": name,
        "properties": {"datetime": "2021-05-10T10:36:31Z", **properties},
        "assets": {"B05": {"href": "B05.tif"}},
    }
    with pytest.raises(BrokenItemError, match=f"item '{name}' is of Landsat, but Sentinel-2 L2A is searched for"):
        scene_from_item(item, provider=PROVIDERS["esa"], collection="c", lon_deg=3.0)
