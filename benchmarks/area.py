"""Embed a real area: peak memory, pixels a second, where the time goes, and what fewer dimensions cost.

The area is the Flanders patch of the shared data (64 x 64 pixels, 118 dates), repeated as often as needed: every tile
is read and decoded again, so that reading costs what it would, but nothing is copied to the disk. Each run is a process
of its own, for peak memory is a property of one.

    python benchmarks/area.py [--size 512] [--double] [--block 256] [--workers 2] [--dims 64] [--json]
    python benchmarks/area.py --agreement | --rates
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine

from timesenclip.eo.composite import composite_cube
from timesenclip.eo.cube.open import open_cube
from timesenclip.eo.cube.source import CubeSource
from timesenclip.eo.period import Every, Period
from timesenclip.grid import Window, WindowLike, window_transform
from timesenclip.manifest import read_manifest
from timesenclip.mapping.ask_store import ask_store
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.map_area import map_cube
from timesenclip.mapping.run.blocks import block_key
from timesenclip.mapping.run.embed_block import block_data
from timesenclip.model.checkpoint import load
from timesenclip.model.embed import embed
from timesenclip.series import Cube

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "s2-flanders-2018"
YEAR = 2018
PHRASES = ["maize", "winter wheat", "potatoes", "grassland", "orchard", "forest", "houses and gardens", "road", "water"]


@dataclass
class Repeated:
    """A patch, repeated to an area of any size."""

    patch: CubeSource
    shape: tuple[int, int]
    seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "composite": 0.0})
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def crs(self) -> str:
        """As the patch."""
        return self.patch.crs

    @property
    def transform(self) -> Affine:
        """As the patch."""
        return self.patch.transform

    @property
    def source_name(self) -> str:
        """Name for messages."""
        return f"{self.patch.source_name}, repeated"

    @property
    def identity(self) -> str:
        """As the patch."""
        return f"{self.patch.identity}, repeated"

    @property
    def has_scl(self) -> bool:
        """As the patch."""
        return self.patch.has_scl

    @property
    def pixels_inside(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def default_block(self) -> int:
        """Side of a block in pixels, where none is asked for."""
        return 256

    @property
    def typical_place(self) -> tuple[int, int]:
        """Row and column of the middle."""
        return self.shape[0] // 2, self.shape[1] // 2

    def expected_observations(self, period: Period | str | int | None = None) -> float:
        """Those of the patch, as often as it is repeated."""
        return self.patch.expected_observations(period) * self.pixels_inside / self.patch.pixels_inside

    def check_offset(self, period: Period | str | int | None = None) -> None:
        """As the patch."""
        self.patch.check_offset(period)

    def read(
        self,
        window: WindowLike | None = None,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Cube:
        """Read every tile that the window touches, put them together, and composite the whole."""
        row, row_end, column, column_end = asked = Window.whole(self.shape) if window is None else Window(*window)
        high, wide = self.patch.shape
        began = time.perf_counter()
        rows = []
        for top in range(row // high, -(-row_end // high)):
            parts = []
            for left in range(column // wide, -(-column_end // wide)):
                box = (
                    max(row - top * high, 0),
                    min(row_end - top * high, high),
                    max(column - left * wide, 0),
                    min(column_end - left * wide, wide),
                )
                parts.append(self.patch.read(box, period=period, every=None, mask=mask))
            rows.append(
                (
                    np.concatenate([p.reflectance for p in parts], axis=-1),
                    np.concatenate([p.valid for p in parts], axis=-1),
                )
            )
        cube = replace(
            parts[0],
            reflectance=np.concatenate([reflectance for reflectance, _ in rows], axis=-2),
            valid=np.concatenate([valid for _, valid in rows], axis=-2),
            transform=window_transform(self.transform, asked),
        )
        del rows, parts
        loaded = time.perf_counter()
        done = cube if every is None else composite_cube(cube, every=every, period=period)
        with self._lock:
            self.seconds["read"] += loaded - began
            self.seconds["composite"] += time.perf_counter() - loaded
        return done


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="side in pixels")
    parser.add_argument("--double", action="store_true", help="also twice the area, to compare peak memory")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dims", type=int, default=64)
    parser.add_argument("--agreement", action="store_true", help="only: answers of fewer dims against those of `map`")
    parser.add_argument("--rates", action="store_true", help="only: pixels per second of CPU time of each stage")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--shape", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.shape:
        print(json.dumps(measure((given.shape[0], given.shape[1]), given.block, given.workers, given.dims)))
        return
    if given.rates:
        found = rates()
        print(json.dumps(found) if given.json else "\n".join(f"{k:10s} {v:>10,.0f} pixels/s" for k, v in found.items()))
        return
    if given.agreement:
        answers = agreement()
        lines = (
            f"{k:>4s} dims: {v['same']:.2%} as `map`, scores differ by {v['score']:.4f}" for k, v in answers.items()
        )
        print(json.dumps(answers) if given.json else "\n".join(lines))
        return
    shapes = [(given.size, given.size), *([(2 * given.size, given.size)] if given.double else [])]
    results: dict[str, Any] = {"runs": [in_own_process(shape, given) for shape in shapes]}
    if given.json:
        print(json.dumps(results))
        return
    for run in results["runs"]:
        print(f"{run['shape'][0]} x {run['shape'][1]} pixels, {run['blocks']} blocks, {given.workers} workers")
        print(
            f"  {run['pixels_per_s']:,.0f} pixels/s, peak memory {run['peak_mb']:,.0f} MB (idle {run['idle_mb']:,.0f})"
        )
        print("  " + ", ".join(f"{name} {share:.1%}" for name, share in run["share"].items()))
        print(f"  store {run['store_mb']:,.1f} MB")


def in_own_process(shape: tuple[int, int], given: argparse.Namespace) -> dict[str, Any]:
    """Run this file for one shape."""
    command = [sys.executable, __file__, "--shape", *map(str, shape), "--block", str(given.block)]
    command += ["--workers", str(given.workers), "--dims", str(given.dims)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(out.splitlines()[-1]))


def measure(shape: tuple[int, int], block: int, workers: int, dims: int) -> dict[str, Any]:
    """Embed one area."""
    source, model = Repeated(open_cube(DATA), shape), load()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "area.zarr"
        embed_area(Repeated(open_cube(DATA), (64, 64)), Path(folder) / "warm.zarr", model=model, period=YEAR, block=64)
        idle = _peak_mb()
        began = time.perf_counter()
        result = embed_area(
            source, out, model=model, period=YEAR, dims=dims, block=block, workers=workers, progress=_show
        )
        seconds = time.perf_counter() - began
        done = {entry.key: entry.facts for entry in read_manifest(result.manifest) if entry.kind == "done"}
        facts = [done[block_key(0, window)]["seconds"] for window in result.store.blocks()]
        spent = source.seconds | {name: sum(f[name] for f in facts) for name in ("embed", "write")}
        total = sum(spent.values())
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "shape": shape,
        "blocks": result.blocks,
        "pixels_per_s": result.pixels / seconds,
        "peak_mb": _peak_mb(),
        "idle_mb": idle,
        "share": {name: value / total for name, value in spent.items()},
        "pixels_per_s_and_worker": {name: result.pixels / value for name, value in spent.items()},
        "store_mb": size / 1e6,
    }


def rates(rounds: int = 3) -> dict[str, float]:
    """Pixels a second of CPU time of one thread, which says the same on a busy machine."""
    torch.set_num_threads(1)
    source, model = Repeated(open_cube(DATA), (128, 128)), load()
    embed(source.read((0, 16, 0, 16), period=YEAR).pixel_series(), model=model, missing="nan")
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        cube = source.read(period=YEAR, every=None)
        loaded = time.thread_time()
        months = composite_cube(cube, every="month", period=YEAR)
        composited = time.thread_time()
        vectors = embed(months.pixel_series(), model=model, batch_size=512, missing="nan")
        embedded = time.thread_time()
        block_data(months, vectors)
        times.append((loaded - began, composited - loaded, embedded - composited, time.thread_time() - embedded))
    seconds = np.median(times, axis=0)
    names = ("read", "composite", "embed", "quantise")
    found = {name: 128 * 128 / float(value) for name, value in zip(names, seconds, strict=True)}
    return found | {"all": 128 * 128 / float(seconds.sum())}


def agreement() -> dict[str, dict[str, float]]:
    """Share of pixels of the patch with the same answer as `map` gives, by dimensions."""
    patch, model = open_cube(DATA), load()
    out = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = map_cube(patch, PHRASES, out=folder / "map", model=model, period=YEAR)
        for dims in (None, 128, 64, 32, 16):
            store = folder / f"{dims}.zarr"
            embed_area(patch, store, model=model, period=YEAR, dims=dims)
            answer = ask_store(store, PHRASES, out=folder / f"{dims}")
            classes, scores = ([_read(r.files[kind]) for r in (expected, answer)] for kind in ("classes", "scores"))
            seen = classes[0][0] != 255
            out[str(dims or "all")] = {
                "same": float((classes[0] == classes[1])[0][seen].mean()),
                "score": float(np.sqrt(((scores[0] - scores[1])[:, seen] ** 2).mean())),
            }
            shutil.rmtree(store)
    return out


def _read(path: Path) -> Any:
    with rasterio.open(path) as raster:
        return raster.read()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _show(done: int, total: int) -> None:
    print(f"{done:,} of {total:,} pixels", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
