"""What the filter of outlying steps catches, and what it takes by mistake: `python benchmarks/outliers.py`.

1. Simulated places of every cover with residual cloud: share of the clear and of the hazy steps that it takes.
2. Answers of the default checkpoint with 15 % of the months cloudy, with the filter and without.
3. Real tables and the Flanders cube in ../shared/data (left out where they are absent): dates of the cube without any
   mask, compared with SCL; steps taken of each table; what remains cloudy (blue above 0.15 and twice the median).
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.eo.composite import composite_series
from timesenclip.eo.cube.open import open_cube
from timesenclip.eo.outliers import outlying_steps, series_without_outliers
from timesenclip.eo.points.read import read_points
from timesenclip.series import PixelSeries
from timesenclip.simulate import sensor
from timesenclip.simulate import series as simulated
from timesenclip.simulate.covers import cover_names

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TABLES = {
    "Corsica, months": ("worldcereal/2022_FRA_LPIS_POLY_110.geoparquet", "month"),
    "SW France, dekads": ("worldcereal/2023_FRA_LPIS_POLY_110.geoparquet", None),
    "Flanders, months": ("worldcereal/2021_BEL_dummy.parquet", "month"),
    "East Africa, months": ("worldcereal/test_public_extractions.parquet", "month"),
    "Rondonia, 16 days": ("rondonia-2018/amazonia_2018.parquet", None),
    "Roraima, 16 days": ("roraima-2018/roraima_2018.parquet", None),
    "Korea, dates": ("korea-parcels/korea_parcels.parquet", None),
}
CLEAR, HAZY = 0.03, 0.15
"""Share of cloud below which a simulated step is clear, and above which it is hazy."""


def places(cover: str, count: int, seed: int) -> tuple[PixelSeries, np.ndarray]:
    """Simulated places, and the share (N, T) of cloud that was mixed into each step."""
    mixed: list[np.ndarray] = []
    observe = sensor.observe

    def watched(pixels, surface, day, *, rng, cloud):  # type: ignore[no-untyped-def]
        before = rng.bit_generator.state
        sensor._illuminated(pixels, surface, day, rng)
        m, t = day.shape
        cloudy = cloud * np.exp(rng.normal(-0.35, 0.6, (m, 1)))
        rng.normal(size=(m, t, 1))
        rng.normal(size=(m, 1, 1))
        mixed.append((rng.random((m, t)) < 0.10 * cloudy) * rng.beta(0.8, 5.0, (m, t)))
        rng.bit_generator.state = before
        return observe(pixels, surface, day, rng=rng, cloud=cloud)

    with patch.object(simulated, "observe", watched):
        made = simulated.simulate_series(count, rng=np.random.default_rng(seed), covers=[cover]).series
    return made, mixed[0]


def taken(series: PixelSeries) -> np.ndarray:
    """(N, T) steps that are left out."""
    bands = None if series.band_valid is None else series.band_valid.transpose(1, 2, 0)
    return outlying_steps(series.reflectance.transpose(1, 2, 0), series.valid.T, bands).T


def with_bands(series: PixelSeries, names: tuple[str, ...]) -> PixelSeries:
    """The series as a sensor of fewer bands sees it."""
    there = np.broadcast_to(np.isin(BAND_NAMES, names), series.reflectance.shape)
    return replace(series, reflectance=np.where(there, series.reflectance, np.float32(0)), band_valid=there)


def cloudy_share(series: PixelSeries) -> float:
    """Share of the steps with blue above 0.15 and twice the median of the series."""
    blue = np.where(series.valid, series.reflectance[:, :, 0], np.nan)
    return float(
        (series.valid & (blue > 0.15) & (blue > 2 * np.nanmedian(blue, axis=1)[:, None])).sum() / series.valid.sum()
    )


def simulated_places(count: int) -> None:
    """Print the worst covers and the means, with the bands of several sensors."""
    made = {cover: places(cover, count, seed=7) for cover in cover_names()}
    sensors = {
        "sentinel-2": BAND_NAMES,
        "landsat": SENSORS["landsat"],
        "no blue": BAND_NAMES[1:],
        "no blue, green": BAND_NAMES[2:],
    }
    for name, bands in sensors.items():
        clear, hazy = {}, []
        for cover, (series, cloud) in made.items():
            gone = taken(with_bands(series, bands))
            clear[cover] = gone[series.valid & (cloud < CLEAR)].mean()
            hazy.append((gone & series.valid & (cloud > HAZY)).sum() / max((series.valid & (cloud > HAZY)).sum(), 1))
        worst = sorted(clear, key=lambda cover: -clear[cover])[:5]
        print(
            f"simulated, {name}: clear steps taken {np.mean(list(clear.values())):.2%}, hazy ones {np.mean(hazy):.1%}"
        )
        print("   most of:", ", ".join(f"{cover} {clear[cover]:.2%}" for cover in worst))


def flanders() -> None:
    """Print what is taken of unmasked dates by SCL class, and how far the months are from those that SCL masked."""
    from timesenclip.bands import SCL_CLASSES

    source = open_cube(DATA / "s2-flanders-2018")
    days = source.read(every=None, mask=False)
    scl, _ = source.layers["SCL"].read(np.arange(len(days.start)), _whole(source.shape))
    t, c = days.reflectance.shape[:2]
    gone = outlying_steps(days.reflectance.reshape(t, c, -1), days.valid.reshape(t, -1)).reshape(scl.shape)
    for value in np.unique(scl):
        here = scl == value
        print(
            f"Flanders, SCL {int(value)} ({SCL_CLASSES[int(value)]}): {gone[here].mean():.1%} of {here.sum():,} taken"
        )
    clear = np.isin(scl, (4, 5, 6)) & (np.isin(scl, (4, 5, 6)).mean(axis=(1, 2)) > 0.95)[:, None, None]
    print(f"Flanders, clear by SCL on dates that are 95 % clear: {gone[clear].mean():.2%} of {clear.sum():,} taken")
    period = "2018"
    truth = source.read(every="month", period=period).pixel_series()
    raw = source.read(every=None, period=period, mask=False).pixel_series()
    months = composite_series(raw, every="month", period=period)
    ways = {
        "not at all": months,
        "after compositing": series_without_outliers(months),
        "before compositing": composite_series(series_without_outliers(raw), every="month", period=period),
    }
    for name, series in ways.items():
        both = series.valid & truth.valid
        error = np.abs(series.reflectance - truth.reflectance)[both].mean()
        print(f"Flanders, unmasked, filtered {name}: {series.valid.sum(axis=1).mean():.1f} months, error {error:.4f}")


def _whole(shape: tuple[int, int]):  # type: ignore[no-untyped-def]
    from timesenclip.grid import Window

    return Window.whole(shape)


def tables() -> None:
    """Print what is taken of the real tables, and what remains cloudy."""
    for name, (path, every) in TABLES.items():
        if not (DATA / path).exists():
            continue
        kept = read_points(DATA / path, every=every, outliers="keep")
        clean = read_points(DATA / path, every=every)
        gone = 1 - clean.valid.sum() / kept.valid.sum()
        print(
            f"{name}: {gone:.2%} of {kept.valid.sum():,} steps taken; "
            f"cloudy {cloudy_share(kept):.2%} -> {cloudy_share(clean):.2%}"
        )


def answers(count: int) -> None:
    """Print the balanced accuracy of the default checkpoint with 15 % of the months cloudy, on simulated covers."""
    from timesenclip.tasks.classify import classify

    phrases = {
        "maize": "maize",
        "winter wheat": "wheat",
        "oak and beech forest": "broadleaved forest",
        "spruce and fir forest": "coniferous forest",
        "grazed pasture": "pasture",
        "dense city": "city",
        "rocky desert": "desert",
        "maquis and chaparral": "shrubs",
        "savanna grassland": "savanna",
        "rice paddy": "rice",
    }
    rng = np.random.default_rng(3)
    made = simulated.simulate_series(count, rng=rng, covers=list(phrases), cloud=0.3)
    names = list(dict.fromkeys(phrases.values()))
    truth = np.array([names.index(phrases[cover]) for cover in made.cover])
    cloud = np.array([0.62] * 4 + [0.63] * 4 + [0.45, 0.34], dtype=np.float32)
    hit = ((rng.random(made.series.valid.shape) < 0.15) & made.series.valid)[..., None]
    share = rng.uniform(0.3, 1.0, hit.shape).astype(np.float32) * hit
    cloudy = replace(made.series, reflectance=(1 - share) * made.series.reflectance + share * cloud)
    for name, series in (("clear", made.series), ("15 % cloudy", cloudy)):
        for outliers in ("keep", "drop"):
            said = classify(series, names, answer_all=True, outliers=outliers).label_index
            recall = [(said[truth == k] == k).mean() for k in range(len(names))]
            print(f"answers, {name}, outliers {outliers}: balanced accuracy {np.mean(recall):.3f}")


def speed() -> None:
    """Print pixels a second, of a block that has clouds and of one that hardly has."""
    for cloud in (0.3, 3.0):
        made = simulated.simulate_series(60_000, rng=np.random.default_rng(0), cloud=cloud).series
        began = time.perf_counter()
        taken(made)
        print(f"speed, cloud {cloud}: {len(made) / (time.perf_counter() - began):,.0f} pixels of 12 months a second")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="simulated places of each cover")
    count = parser.parse_args().count
    simulated_places(count)
    if DATA.exists():
        flanders()
        tables()
    answers(4000)
    speed()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
