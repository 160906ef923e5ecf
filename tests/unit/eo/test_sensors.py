from __future__ import annotations

from typing import get_args

import pytest

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.eo.sensors import AUTO, READABLE, SensorName, chosen_sensor
from timesenclip.errors import BandError

_SIX = ["B02", "B03", "B04", "B8A", "B11", "B12"]


def _read(names: list[str], sensor: str = AUTO) -> tuple[str, dict[str, str]]:
    chosen = chosen_sensor(names, sensor=sensor, source_name="t")
    return chosen.name, {name: band for name in names if (band := chosen.band_of(name))}


def test_every_sensor_has_bands_of_ours_and_a_place_in_the_option() -> None:
    assert get_args(SensorName) == (AUTO, *READABLE)
    for sensor in READABLE.values():
        assert set(sensor.bands) <= set(BAND_NAMES)
    assert set(SENSORS) <= set(READABLE) | {"landsat"}


@pytest.mark.parametrize(
    ("names", "sensor", "found"),
    [
        ([f"S2-L2A-{name}" for name in BAND_NAMES], "sentinel-2", list(BAND_NAMES)),
        (["B2", "B3", "B4"], "sentinel-2", ["B02", "B03", "B04"]),
        (["blue", "green", "red", "nir", "swir1", "swir22"], "sentinel-2", ["B02", "B03", "B04", "B08", "B11", "B12"]),
        (_SIX, "sentinel-2", _SIX),
        (["S2_B05", "S2_B06"], "sentinel-2", ["B05", "B06"]),
        (["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"], "landsat", _SIX),
        (["L8_SR_B4", "L8_SR_B6", "L8_nir"], "landsat", ["B04", "B11", "B8A"]),
        (["HLS_L30_B05", "HLS_L30_B07"], "hls-l30", ["B8A", "B12"]),
        (["BAND13", "BAND14", "BAND15", "BAND16"], "brazil-data-cube", ["B02", "B03", "B04", "B08"]),
    ],
)
def test_names_that_only_one_sensor_has_decide(names: list[str], sensor: str, found: list[str]) -> None:
    assert _read(names) == (sensor, dict(zip(names, found, strict=True)))


@pytest.mark.parametrize(
    "names", [["B02", "B03", "B04", "B05", "B06", "B07"], ["B5"], ["B6", "B10", "B11"], ["HLS_B05", "HLS_B02"]]
)
def test_numbers_that_two_sensors_have_are_refused(names: list[str]) -> None:
    with pytest.raises(BandError, match=r"t: B0.* may be red edge of Sentinel-2, or .* --sensor sentinel-2, landsat"):
        _read(names)


def test_the_sensor_that_is_said_decides_whose_numbers_they_are() -> None:
    names = ["B02", "B03", "B04", "B05", "B06", "B07", "B10", "B11"]
    assert list(_read(names, "landsat")[1].values()) == _SIX
    assert list(_read(names, "hls-l30")[1].values()) == _SIX
    assert _read(names, "sentinel-2")[1] == {n: n for n in names if n != "B10"}
    assert _read(names, "rgb")[1] == {n: n for n in ("B02", "B03", "B04")}
    assert _read(["blue", "green", "red", "nir", "swir1", "swir2"], "landsat")[1]["nir"] == "B8A"
    assert _read(["blue", "coastal", "nir08", "swir16"], "landsat")[1] == {
        "blue": "B02",
        "nir08": "B8A",
        "swir16": "B11",
    }


def test_landsat_under_the_names_of_sentinel_2_is_read_as_it_is_written() -> None:
    assert list(_read(_SIX, "landsat")[1].values()) == _SIX
    prefixed = [f"S2-L2A-{name}" for name in BAND_NAMES]
    assert list(_read(prefixed, "landsat")[1].values()) == _SIX


def test_surface_reflectance_of_older_landsats_is_not_taken_for_that_of_8_and_9() -> None:
    with pytest.raises(BandError, match=r"SR_B1, SR_B5 may be of Landsat 8/9 or of Landsat 4 to 7"):
        _read(["SR_B1", "SR_B5"])
    assert _read(["SR_B2", "SR_B5"], "landsat")[1] == {"SR_B2": "B02", "SR_B5": "B8A"}


def test_an_unknown_sensor_is_named_with_the_nearest() -> None:
    with pytest.raises(BandError, match=r"Unknown sensor 'landsat8'.*Did you mean landsat\?"):
        _read(["B02"], "landsat8")


@pytest.mark.parametrize(
    ("name", "sensor", "unknown"),
    [
        ("B13", "sentinel-2", "B13"),
        ("S2-L2A-B09", "sentinel-2", None),
        ("B13", "landsat", "B13"),
        ("B11", "landsat", None),
        ("SR_B9", "landsat", None),
        ("label", "landsat", None),
        ("B05", "rgb", None),
    ],
)
def test_what_looks_like_a_band_and_is_none_is_unknown(name: str, sensor: str, unknown: str | None) -> None:
    assert READABLE[sensor].unknown(name) == unknown
