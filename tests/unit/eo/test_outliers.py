from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.eo.outliers import (
    MOST_SHARE,
    OUTLYING_STEPS,
    count_outlying,
    cube_without_outliers,
    is_judged,
    outlying_steps,
    series_without_outliers,
)
from timesenclip.errors import InputError
from timesenclip.series import Cube, PixelSeries, concatenate
from timesenclip.simulate.series import simulate_series
from timesenclip.simulate.spectra import SNOW

FIELD = np.array([0.04, 0.07, 0.05, 0.10, 0.25, 0.32, 0.34, 0.36, 0.20, 0.11], dtype=np.float32)
SOIL = np.array([0.11, 0.15, 0.20, 0.23, 0.25, 0.27, 0.29, 0.30, 0.36, 0.32], dtype=np.float32)
SALT = np.array([0.38, 0.44, 0.49, 0.51, 0.52, 0.53, 0.54, 0.54, 0.44, 0.30], dtype=np.float32)
ROOFS = np.array([0.24, 0.27, 0.29, 0.30, 0.31, 0.32, 0.32, 0.33, 0.34, 0.31], dtype=np.float32)
WATER = np.array([0.04, 0.04, 0.03, 0.02, 0.01, 0.01, 0.01, 0.01, 0.005, 0.004], dtype=np.float32)
CLOUD = np.array([0.62, 0.62, 0.62, 0.62, 0.63, 0.63, 0.63, 0.63, 0.45, 0.34], dtype=np.float32)
FRESH_SNOW = np.array(SNOW["fresh"], dtype=np.float32)


def year(surface: np.ndarray, changes: dict[int, np.ndarray] | None = None, steps: int = 12) -> PixelSeries:
    """One series of a surface that varies by up to 10 %, with other spectra at some steps."""
    wobble = 1 + 0.1 * np.sin(np.arange(steps))[:, None]
    values = (surface * wobble).astype(np.float32)
    for step, spectrum in (changes or {}).items():
        values[step] = spectrum
    return PixelSeries.from_monthly(values[None], year=2018)


def removed(series: PixelSeries) -> list[int]:
    after = series_without_outliers(series)
    return np.flatnonzero(series.valid[0] & ~after.valid[0]).tolist()


def mixed(below: np.ndarray, above: np.ndarray, share: float) -> np.ndarray:
    return (1 - share) * below + share * above


def test_finds_clouds_and_haze_and_leaves_the_rest():
    series = year(FIELD, {2: CLOUD, 7: mixed(FIELD, CLOUD, 0.3)})
    after = series_without_outliers(series)
    assert removed(series) == [2, 7]
    assert not after.reflectance[0, [2, 7]].any()
    np.testing.assert_array_equal(after.reflectance[after.valid], series.reflectance[after.valid])


@pytest.mark.parametrize(
    "series",
    [
        year(SALT),
        year(ROOFS),
        year(SOIL),
        year(FRESH_SNOW),
        year(FIELD),
        year(SALT, {5: WATER, 6: WATER}),
        year(FIELD, {0: FRESH_SNOW, 1: FRESH_SNOW, 11: mixed(FIELD, FRESH_SNOW, 0.4)}),
        year(FIELD, {8: SOIL, 9: SOIL, 10: SOIL}),
        year(FIELD, {4: WATER, 5: WATER}),
        year(WATER, {3: WATER + 0.05}),
        year(WATER, {0: FRESH_SNOW, 1: FRESH_SNOW}),
    ],
    ids=[
        "salt flat",
        "bright roofs",
        "bare soil",
        "glacier",
        "field",
        "flooded salt flat",
        "winter snow",
        "ploughed field",
        "flood",
        "glint",
        "ice on a lake",
    ],
)
def test_surfaces_survive(series):
    assert removed(series) == []


@pytest.mark.parametrize("surface", [FIELD, SOIL, WATER])
def test_a_cloud_is_found_over_other_surfaces(surface):
    assert removed(year(surface, {4: CLOUD})) == [4]


def test_a_series_with_few_steps_is_left_alone():
    assert removed(year(FIELD, {1: CLOUD}, steps=3)) == []
    assert removed(year(FIELD, {1: CLOUD}, steps=4)) == [1]


def test_a_series_of_which_too_much_would_go_is_left_alone():
    assert removed(year(FIELD, dict.fromkeys(range(6), CLOUD))) == list(range(6))
    assert removed(year(FIELD, dict.fromkeys(range(9), CLOUD))) == []


@pytest.mark.parametrize("sensor", ["sentinel-2", "landsat", "brazil-data-cube"])
def test_works_with_the_bands_of_other_sensors(sensor):
    series = year(FIELD, {4: CLOUD})
    there = np.isin(BAND_NAMES, SENSORS[sensor])
    bands = np.broadcast_to(there, series.reflectance.shape)
    part = replace(series, reflectance=np.where(bands, series.reflectance, np.float32(0)), band_valid=bands)
    assert removed(part) == [4]


@pytest.mark.parametrize("absent", [("B02",), ("B02", "B03"), ("B02", "B03", "B11"), ("B11",)])
def test_takes_another_band_where_the_best_is_missing(absent):
    bands = np.broadcast_to(~np.isin(BAND_NAMES, absent), (1, 12, 10))
    assert removed(replace(year(FIELD, {4: CLOUD}), band_valid=bands)) == [4]


@pytest.mark.parametrize("sensor", ["rgb", "sentinel-2-10m"])
def test_without_short_wave_infrared_snow_cannot_be_told_and_all_stays(sensor):
    bands = np.broadcast_to(np.isin(BAND_NAMES, SENSORS[sensor]), (1, 12, 10))
    assert removed(replace(year(FIELD, {4: CLOUD}), band_valid=bands)) == []


def test_a_step_without_the_bands_is_not_judged():
    bands = np.ones((1, 12, 10), dtype=np.bool_)
    bands[0, 4, BAND_NAMES.index("B11")] = False
    assert removed(replace(year(FIELD, {4: CLOUD, 6: CLOUD}), band_valid=bands)) == [6]


def test_the_provenance_counts_and_is_not_counted_twice():
    once = series_without_outliers(year(FIELD, {2: CLOUD}))
    record = once.provenance[OUTLYING_STEPS]
    assert {key: record[key] for key in ("removed", "steps", "share")} == {"removed": 1, "steps": 12, "share": 0.0833}
    assert "timesenclip.eo.outliers" in record["rule"]
    assert series_without_outliers(once) is once


def test_keep_changes_nothing_and_nothing_behind_judges():
    kept = series_without_outliers(year(FIELD, {2: CLOUD}), "keep")
    assert kept.valid.all()
    assert series_without_outliers(kept) is kept
    assert is_judged(concatenate([kept, kept]).provenance)
    assert not is_judged(concatenate([kept, year(FIELD)]).provenance)


def test_another_word_is_refused():
    with pytest.raises(InputError, match="'remove'; expected 'drop' or 'keep'"):
        series_without_outliers(year(FIELD), "remove")  # type: ignore[arg-type]


def test_counts_of_parts_are_added_up():
    parts = [series_without_outliers(year(FIELD, {2: CLOUD})).provenance for _ in range(2)]
    assert count_outlying([*parts, {}])["removed"] == 2
    assert count_outlying([*parts, {}])["steps"] == 24
    assert count_outlying([{}]) is None
    assert count_outlying([{OUTLYING_STEPS: "kept"}]) == "kept"


def test_of_a_patch_the_middle_decides():
    pixels = np.repeat(year(FIELD).reflectance[..., None, None], 3, axis=3).repeat(3, axis=4)  # (1, T, C, 3, 3)
    pixels[0, 4, :, 0, 0] = CLOUD
    pixels[0, 6, :, 1, 1] = CLOUD
    assert removed(PixelSeries.from_monthly(pixels, year=2018)) == [6]


def cloudy_cube() -> Cube:
    rng = np.random.default_rng(0)
    series = simulate_series(12, rng=rng, cloud=3.0).series
    values = np.ascontiguousarray(series.reflectance.transpose(1, 2, 0)).reshape(12, 10, 3, 4)
    valid = np.ascontiguousarray(series.valid.T).reshape(12, 3, 4)
    days = np.arange("2018-01", "2019-02", dtype="datetime64[M]").astype("datetime64[D]")
    where = ("EPSG:32631", Affine(10, 0, 500000, 0, -10, 5600000))
    return Cube(values, valid, days[:-1], days[1:], *where, observations=valid.astype(np.uint16) * 2)


def test_a_cube_is_judged_as_its_pixels_are_and_its_reflectance_is_not_copied():
    cube = cloudy_cube()
    after, pixels = cube_without_outliers(cube), series_without_outliers(cube.pixel_series())
    np.testing.assert_array_equal(after.valid.reshape(12, -1).T, pixels.valid)
    assert after.valid.sum() < cube.valid.sum()
    assert after.reflectance is cube.reflectance
    assert after.observations is not None
    np.testing.assert_array_equal(after.observations > 0, after.valid)
    assert after.provenance[OUTLYING_STEPS] == pixels.provenance[OUTLYING_STEPS]
    assert cube_without_outliers(after) is after
    assert cube_without_outliers(cube, "keep").valid is cube.valid


spectra = st.sampled_from([FIELD, SOIL, SALT, ROOFS, WATER, CLOUD, FRESH_SNOW])
steps = st.tuples(spectra, spectra, st.floats(0, 1), st.booleans(), st.integers(0, 9))


@given(st.lists(steps, min_size=1, max_size=20), st.integers(0, 6))
@settings(max_examples=150, deadline=None)
def test_a_second_time_finds_nothing(drawn, absent):
    values = np.array([mixed(below, above, share) for below, above, share, _, _ in drawn], dtype=np.float32)
    valid = np.array([use for *_, use, _ in drawn])[:, None]
    bands = np.ones((len(drawn), 10, 1), dtype=np.bool_)
    for step, (*_, missing) in enumerate(drawn):
        bands[step, missing] = step % 7 >= absent
    first = outlying_steps(values[..., None], valid, bands)
    assert not (first & ~valid).any()
    assert first.sum() <= MOST_SHARE * valid.sum()
    assert not outlying_steps(values[..., None], valid & ~first, bands).any()


def test_a_pixel_is_judged_the_same_alone_and_among_others():
    series = simulate_series(300, rng=np.random.default_rng(1), cloud=2.0).series
    together = series_without_outliers(series).valid
    order = np.random.default_rng(2).permutation(300)
    np.testing.assert_array_equal(series_without_outliers(series.take(order)).valid, together[order])
    for i in range(0, 300, 37):
        alone = series_without_outliers(series.take(np.array([i]))).valid
        np.testing.assert_array_equal(alone[0], together[i])


def test_of_clear_simulated_steps_hardly_any_goes():
    series = simulate_series(2000, rng=np.random.default_rng(3), cloud=0.0, mixed=0.0).series
    after = series_without_outliers(series)
    assert 1 - after.valid.sum() / series.valid.sum() < 0.003
