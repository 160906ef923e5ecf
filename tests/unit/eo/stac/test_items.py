from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.pixel_checks import contradicts_offset
from timesenclip.eo.radiometry import decide_offset
from timesenclip.eo.stac.items import drop_duplicates, footprint, scene_from_item, solar_day
from timesenclip.eo.stac.providers import PROVIDERS, band_assets, provider_for, signer_for
from timesenclip.errors import InputError

DAY = np.datetime64("2023-06-01")

# Keys of real items (the assets that are no bands among them), as the catalogues write them.
PLANETARY_COMPUTER = [
    "AOT",
    "B01",
    *BAND_NAMES,
    "B09",
    "SCL",
    "WVP",
    "visual",
    "preview",
    "product-metadata",
    "tilejson",
]
EARTH_SEARCH = [
    "aot", "blue", "coastal", "granule_metadata", "green", "nir", "nir08", "nir09", "red", "rededge1", "rededge2",
    "rededge3", "scl", "swir16", "swir22", "thumbnail", "tileinfo_metadata", "visual", "wvp", "blue-jp2", "scl-jp2",
]  # fmt: skip
CDSE = [
    f"{band}_{metres}m"
    for band in (*BAND_NAMES, "AOT", "SCL", "TCI", "WVP")
    for metres in (10, 20, 60)
    if metres >= 20 or band in ("B02", "B03", "B04", "B08", "AOT", "TCI", "WVP")
] + ["Product", "thumbnail", "safe_manifest"]


@pytest.mark.parametrize("keys", [PLANETARY_COMPUTER, EARTH_SEARCH, CDSE], ids=["pc", "earth-search", "cdse"])
def test_every_catalogue_names_the_same_bands(keys: list[str]):
    found = band_assets({key: f"s3://bucket/{key}" for key in keys})
    assert set(found) == {*BAND_NAMES, SCL_NAME}
    assert not any("jp2" in href for href in found.values())


def test_the_native_resolution_is_taken():
    found = band_assets({key: key for key in reversed(CDSE)})
    assert (found["B02"], found["B11"], found["B8A"], found["SCL"]) == ("B02_10m", "B11_20m", "B8A_20m", "SCL_20m")
    assert band_assets({"nir": "a", "nir08": "b"}) == {"B08": "a", "B8A": "b"}


OFFSETS = [
    ("planetary-computer", "sentinel-2-l2a", "03.01", 0),
    ("planetary-computer", "sentinel-2-l2a", "04.00", 1000),
    ("planetary-computer", "sentinel-2-l2a", "05.11", 1000),
    ("earth-search", "sentinel-2-l2a", "05.11", 0),
    ("earth-search", "sentinel-2-l2a", None, 0),
    ("earth-search", "sentinel-2-c1-l2a", "05.00", 1000),
    ("earth-search", "sentinel-2-pre-c1-l2a", "05.00", 1000),
    ("cdse", "sentinel-2-l2a", "02.14", 0),
    ("cdse", "sentinel-2-l2a", "05.10", 1000),
    ("esa", "whatever", "05.10", 1000),
    ("esa", "whatever", None, 1000),
]


@pytest.mark.parametrize(("name", "collection", "baseline", "expected"), OFFSETS)
def test_offsets(name: str, collection: str, baseline: str | None, expected: int):
    decided = decide_offset(name, collection, baseline=baseline, day=DAY)
    assert decided.offset_dn == expected
    assert not decided.assumed


def test_what_overrules_the_table():
    pc = "planetary-computer"
    assert decide_offset(pc, "x", baseline="05.00", day=DAY, given=0).offset_dn == 0
    assert decide_offset(pc, "x", baseline="03.00", day=DAY, declared=-1000).offset_dn == 1000
    early = decide_offset(pc, "x", baseline=None, day=np.datetime64("2019-01-01"))
    assert early.reason == "no baseline; acquired before 2022-01-25"
    late = decide_offset(pc, "x", baseline=None, day=DAY)
    assert late.reason == "no baseline; acquired from 2022-01-25 on"
    assert (early.offset_dn, early.assumed) == (0, True)  # it may have been reprocessed since: said, not hidden


def test_the_flag_and_the_raster_offset_of_earth_search_are_not_believed():
    item = pc_item(
        "S2B_33UXP_20250302_0_L2A", **{"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "05.11"}
    )
    item["assets"] = {"red": {"href": "x", "raster:bands": [{"offset": -0.1}]}}
    assert scene(item, "earth-search").offset.offset_dn == 0


def test_providers_are_known_by_name_and_address():
    assert provider_for("CDSE").name == "cdse"
    assert provider_for("https://planetarycomputer.microsoft.com/api/stac/v1").name == "planetary-computer"
    assert provider_for("https://example.org/stac").name == "esa"
    assert provider_for("https://example.org/stac", "earth-search").name == "earth-search"
    with pytest.raises(InputError, match="Unknown provider 'nasa'; expected one of planetary-computer"):
        provider_for("/data", "nasa")


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


def test_pixels_that_contradict_a_decision():
    random = np.random.default_rng(0)
    dark = random.integers(150, 1500, 5000).astype(np.float32)
    assert contradicts_offset(dark, 0) is None
    assert contradicts_offset(dark + 1000, 1000) is None
    assert "may still be in them" in contradicts_offset(dark + 1000, 0)
    assert "removed already" in contradicts_offset(dark, 1000)
    assert contradicts_offset(dark[:50], 1000) is None
    noisy_water = random.normal(1010, 60, 5000).astype(np.float32)  # a little below zero is noise, not a mistake
    assert contradicts_offset(noisy_water, 1000) is None


def test_the_planetary_computer_is_asked_for_tokens_as_they_are_needed(monkeypatch):
    """The real client, with a token service on this machine: one token a container, a fresh one when it is refused."""
    sign = signer_for(PROVIDERS["planetary-computer"])
    from planetary_computer.settings import Settings

    asked = []

    class Tokens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"token": f"sig={len(asked)}", "msft:expiry": "2099-01-01T00:00:00Z"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(Settings.get(), "sas_url", f"http://127.0.0.1:{server.server_port}/token")
    base = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2"
    try:
        assert sign(f"{base}/a.tif", False) == f"{base}/a.tif?sig=1"
        assert sign(f"{base}/b.tif", False) == f"{base}/b.tif?sig=1"
        assert sign(f"{base}/b.tif", True) == f"{base}/b.tif?sig=2"
        assert asked == ["/token/sentinel2l2a01/sentinel2-l2"] * 2
    finally:
        server.shutdown()
        server.server_close()
    assert signer_for(PROVIDERS["earth-search"])("https://x/a.tif", True) == "https://x/a.tif"
