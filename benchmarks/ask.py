"""How long a phrase takes over an area of a million pixels, its embedding included: in memory, and read from the disk.

The store is made of real embeddings: the Flanders patch of the shared data, repeated to 1,024 x 1,024 pixels.

    python benchmarks/ask.py [--side 1024] [--dims 256 128 64] [--rounds 7] [--workers 2] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.eo.cube.open import open_cube
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.query import make_query
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.scoring import load_area, score_area
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import load

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "s2-flanders-2018"
PHRASES = ["maize", "a field of potatoes", "orchard", "deep clear water", "houses and gardens", "heath", "road"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--dims", type=int, nargs="+", default=[256, 128, 64])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    model = load()
    tower = model.tower
    results: dict[str, dict[str, float]] = {}
    for dims in given.dims:
        with tempfile.TemporaryDirectory() as folder:
            small = embed_area(open_cube(DATA), Path(folder) / "patch.zarr", model=model, period=2018, dims=dims).store
            store = repeated(small, Path(folder) / "area.zarr", given.side)
            area = load_area(store, workers=given.workers)

            def in_memory(phrase: str, store: EmbeddingStore = store, area: Any = area) -> None:
                area.scores(make_query(store, [phrase], tower=tower).vectors)

            def from_disk(phrase: str, store: EmbeddingStore = store) -> None:
                score_area(store, make_query(store, [phrase], tower=tower).vectors, workers=given.workers)

            memory, disk = timed(in_memory, given.rounds), timed(from_disk, given.rounds)
            results[str(dims)] = {
                "memory_ms": memory[0],
                "memory_best_ms": memory[1],
                "memory_cpu_ms": memory[2],
                "disk_ms": disk[0],
                "disk_best_ms": disk[1],
                "disk_cpu_ms": disk[2],
            }
            area.pool.shutdown()
    if given.json:
        print(json.dumps({"pixels": given.side**2, "workers": given.workers, "dims": results}))
        return
    print(f"one phrase over {given.side**2:,} pixels, {given.workers} threads, tower loaded, {given.rounds} rounds")
    print("             in memory: median, best, CPU      from the disk's cache: median, best, CPU")
    for name, row in results.items():
        memory, disk = (
            ", ".join(f"{row[f'{kind}_{what}']:4.0f} ms" for what in ("ms", "best_ms", "cpu_ms"))
            for kind in ("memory", "disk")
        )
        print(f"{name:>4s} dims {memory:>32s} {disk:>43s}")


def repeated(store: EmbeddingStore, path: Path, side: int) -> EmbeddingStore:
    """The same pixels again and again, in a store of its own."""
    info = store.info.model_copy(update={"shape": (side, side), "block": 256, "chunk": 128})
    made = EmbeddingStore.create(path, info, store.projection)
    data = store.read()
    times = -(-256 // store.shape[0])
    block = BlockData(
        *(np.tile(a, (times, times, *[1] * (a.ndim - 2))) for a in (data.vectors, data.scale, data.clear, data.colour))
    )
    for window in made.blocks():
        high, wide = window[1] - window[0], window[3] - window[2]
        made.write(
            window,
            BlockData(*(a[:high, :wide] for a in (block.vectors, block.scale, block.clear, block.colour))),
        )
    made.finish({"input": {}})
    return made


def timed(ask: Callable[[str], None], rounds: int) -> tuple[float, float, float]:
    """Median and best time, and median CPU time of all threads, in milliseconds; a different phrase every time."""
    times, busy = [], []
    for i in range(rounds + 1):
        began, used = time.perf_counter(), time.process_time()
        ask(PHRASES[i % len(PHRASES)])
        busy.append((time.process_time() - used) * 1000)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:]), min(times[1:]), statistics.median(busy[1:])


if __name__ == "__main__":
    main()
