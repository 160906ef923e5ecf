"""Embed an area from cloud-optimised scenes, as `embed-area --aoi` does: speed, shares and peak memory by block.

A year of passes over one tile is made as a STAC ItemCollection on disk; all passes show the same eleven files (deflate,
tiles of 1,024 pixels), which are opened, decoded, masked and composited anew for each. Each run is an own process.

    python benchmarks/scenes.py [--size 1024] [--dates 72] [--blocks 256 512] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.warp import transform_bounds
from scipy.ndimage import gaussian_filter

from timesenclip.bands import BANDS, SCL_NAME
from timesenclip.eo.stac.open import open_stac
from timesenclip.manifest import read_manifest
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.run.blocks import block_key

SIDE, OFF, YEAR = 2560, 150, 2023
X0, Y0, EPSG = 500_000.0, 5_600_000.0, 32631


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="side of the area in pixels")
    parser.add_argument("--dates", type=int, default=72)
    parser.add_argument("--blocks", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.world is not None:
        print(json.dumps(measure(given.world, given.size, given.blocks[0], given.workers)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), given.dates)
        for block in given.blocks:
            command = [sys.executable, __file__, "--world", folder, "--size", str(given.size), "--blocks", str(block)]
            done = subprocess.run(
                [*command, "--workers", str(given.workers)], check=True, capture_output=True, text=True
            )
            found = json.loads(done.stdout.splitlines()[-1])
            shares = ", ".join(f"{name} {share:.0%}" for name, share in found["share"].items())
            rate, peak = found["pixels_per_s"], found["peak_mb"]
            print(f"block {block}: {rate:,.0f} pixels/s, peak memory {peak:,.0f} MB; {shares}", flush=True)


def write_world(folder: Path, dates: int) -> None:
    """Eleven files and the items of a year."""
    rng = np.random.default_rng(0)
    for k, band in enumerate(BANDS):
        side = SIDE * 10 // band.resolution_m
        smooth = gaussian_filter(rng.random((side, side), dtype=np.float32), 3) * 20_000
        noise = rng.random((side, side), dtype=np.float32) * 150
        write_cog(folder / f"{band.name}.tif", (smooth * 0.1 + noise + 1200 + 150 * k).astype(np.uint16))
    scl = np.where(gaussian_filter(rng.random((SIDE // 2, SIDE // 2)), 20) > 0.501, 9, 4)
    write_cog(folder / f"{SCL_NAME}.tif", scl.astype(np.uint8))
    west, south, east, north = transform_bounds(EPSG, 4326, X0, Y0 - 10 * SIDE, X0 + 10 * SIDE, Y0)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    days = np.datetime64(f"{YEAR}-01-02") + (np.arange(dates) * 360 // dates)
    names = [*(band.name for band in BANDS), SCL_NAME]
    items = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"S2A_MSIL2A_{str(day).replace('-', '')}T104021_N0509_R008_T31UES_{str(day).replace('-', '')}T130000",
            "collection": "sentinel-2-l2a",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [west, south, east, north],
            "links": [],
            "properties": {
                "datetime": f"{day}T10:40:21Z",
                "s2:mgrs_tile": "31UES",
                "s2:processing_baseline": "05.09",
                "eo:cloud_cover": 10.0,
            },
            "assets": {name: {"href": str(folder / f"{name}.tif")} for name in names},
        }
        for day in days
    ]
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))


def write_cog(path: Path, values: np.ndarray[Any, Any]) -> None:
    """One band; coarser ones cover the same ground."""
    pixel = 10 * SIDE / len(values)
    how = {"compress": "deflate", "predictor": 2, "blocksize": 1024, "overviews": "none"}
    grid = {"crs": f"EPSG:{EPSG}", "transform": rasterio.Affine(pixel, 0, X0, 0, -pixel, Y0)}
    size = {"height": len(values), "width": len(values), "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", driver="COG", nodata=0, **size, **grid, **how) as file:
        file.write(values, 1)


def measure(world: Path, size: int, block: int, workers: int) -> dict[str, Any]:
    """Embed one area in this process."""
    left, top = X0 + 10 * OFF, Y0 - 10 * OFF
    edges = transform_bounds(EPSG, 4326, left, top - 10 * size, left + 10 * size, top)
    source = open_stac(edges, YEAR, catalog=world / "items.json", workers=4, clip=False)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = embed_area(source, Path(folder) / "x.zarr", period=YEAR, dims=64, block=block, workers=workers)
        seconds = time.perf_counter() - began
        done = {entry.key: entry.facts for entry in read_manifest(result.manifest) if entry.kind == "done"}
        facts = [done[block_key(0, window)]["seconds"] for window in result.store.blocks()]
    spent = {name: sum(fact[name] for fact in facts) for name in ("load", "embed", "write")}
    return {
        "pixels_per_s": result.pixels / seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "share": {name: value / sum(spent.values()) for name, value in spent.items()},
    }


if __name__ == "__main__":
    main()
