"""Why blocks should not be small: pixels a second of CPU time when a cloud-optimised scene is read in blocks.

A block touches whole tiles of the file (1,024 pixels at Earth Search, 512 at the Planetary Computer), which are decoded
anew for every block. The scene is smooth noise, which compresses to about 70 %; blocks lie off the tiles, as those of
an area do. One thread; medians of some rounds.

    python benchmarks/cog_blocks.py [--rounds 3] [--tile 1024]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from scipy.ndimage import gaussian_filter

SIDE, OFF = 2560, 100
DATES, TEN_METRE_BANDS = 100, 4 + 6 / 4 + 1 / 8
"""A year of two orbits; bands and SCL in 10 m bands of two bytes."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tile", type=int, default=1024)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "B04.tif"
        write_scene(scene, given.tile)
        print(f"compressed to {scene.stat().st_size / (2 * SIDE**2):.0%}")
        for block in (128, 256, 512, 1024, 2048):
            rate = statistics.median(pixels_per_s(scene, block) for _ in range(given.rounds))
            year = rate / DATES / TEN_METRE_BANDS
            print(f"block {block:5d}: {rate / 1e6:6.2f} M pixels/s of a band, {year:9,.0f} pixels/s of {DATES} dates")


def write_scene(path: Path, tile: int) -> None:
    """One band as COG."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.random((SIDE, SIDE), dtype=np.float32), 3) * 20_000
    values = (smooth + rng.random((SIDE, SIDE), dtype=np.float32) * 150).astype(np.uint16)
    grid = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)}
    how = {"compress": "deflate", "predictor": 2, "blocksize": tile, "overviews": "none"}
    with rasterio.open(
        path, "w", driver="COG", height=SIDE, width=SIDE, count=1, dtype="uint16", **grid, **how
    ) as file:
        file.write(values, 1)


def pixels_per_s(scene: Path, block: int) -> float:
    """Of CPU time; every block opens the file, as every scene of a window does."""
    began = time.process_time()
    for row in range(OFF, OFF + 2048, block):
        for column in range(OFF, OFF + 2048, block):
            with rasterio.open(scene) as file:
                file.read(1, window=((row, row + block), (column, column + block)))
    return 2048**2 / (time.process_time() - began)


if __name__ == "__main__":
    main()
