"""Pixels a second of the encoder at fp32: the shipped checkpoint, and the `paper` preset with random weights.

Variants are interleaved, and medians of several rounds are printed, since machines are noisy; ratios within one run
mean more than the numbers themselves.

    python benchmarks/encoder.py [--threads 1] [--batch 256] [--rounds 7] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

from timesenclip.model.checkpoint import load
from timesenclip.model.encoder import PRESETS, SeriesEncoder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    encoders = {"default (shipped)": load().encoder} | {
        name: SeriesEncoder(config).eval() for name, config in PRESETS.items()
    }
    start = torch.arange(12) / 12
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(given.batch, -1, -1).contiguous()
    x, valid = torch.rand(given.batch, 12, 10), torch.ones(given.batch, 12, dtype=torch.bool)
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    with torch.inference_mode():
        for _ in range(given.rounds + 1):
            for name, encoder in encoders.items():
                repeats = 2 if name == "paper" else 8
                began = time.perf_counter()
                for _ in range(repeats):
                    encoder(x, calendar, valid)
                rates[name].append(repeats * given.batch / (time.perf_counter() - began))
    medians = {name: statistics.median(values[1:]) for name, values in rates.items()}  # the first round warms up
    if given.json:
        print(json.dumps({"threads": given.threads, "batch": given.batch, "pixels_per_s": medians}))
        return
    print(f"{given.threads} thread(s), batch {given.batch}, fp32, 12 months, medians of {given.rounds} rounds")
    for name, rate in medians.items():
        count = sum(p.numel() for p in encoders[name].parameters())
        print(f"{name:20s} {count:>10,} parameters  {rate:>10,.0f} pixels/s  {rate / medians['paper']:>5.1f}x paper")


if __name__ == "__main__":
    main()
