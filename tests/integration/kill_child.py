"""Started by tests: forks runs of `embed_area` or `map_cube`, kills each at a random moment, and lets the last finish.

A process of its own, for `fork` needs one without threads. After every kill it compares what stands under final names
with the finished store or map that is given.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from timesenclip.eo.cube.open import open_cube
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.map_area import map_cube
from timesenclip.model.checkpoint import load

PHRASES = ["maize", "grassland", "water"]


def main() -> None:
    what, source, reference, out = sys.argv[1], *map(Path, sys.argv[2:5])
    kills, rng = int(sys.argv[5]), random.Random(int(sys.argv[6]))
    torch.set_num_threads(1)
    model, cube = load(), open_cube(source, dilate_px=0)

    def job() -> None:
        if what == "store":
            embed_area(cube, out, model=model, dims=64, block=16, workers=2)
        else:
            map_cube(cube, PHRASES, out=out, model=model, block=16, workers=2)

    cut, longest = 0, 0.7
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            job()
            os._exit(0)
        time.sleep(rng.uniform(0.02, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        cut += os.WIFSIGNALED(status)
        compare(reference, out)
    job()
    compare(reference, out, complete=True)
    sys.stdout.write(f"{cut}\n")


def compare(reference: Path, out: Path, *, complete: bool = False) -> None:
    expected = {path.relative_to(reference): path.read_bytes() for path in reference.rglob("*") if path.is_file()}
    found = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    if not complete:  # what is hidden is on its way
        found = {name: content for name, content in found.items() if not any(p.startswith(".") for p in name.parts)}
    for name, content in found.items():
        if name.suffix == ".partial" and not complete:
            continue
        if str(name) == "zarr.json" and not complete:  # says "not complete" until it is
            continue
        if content != expected[name]:
            sys.exit(f"{name} differs")
    if complete and found.keys() != expected.keys():
        sys.exit(f"files differ: {sorted(map(str, found.keys() ^ expected.keys()))}")


if __name__ == "__main__":
    main()
