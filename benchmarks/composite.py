"""Monthly medians of a year of dates: NumPy, our two ways, and bottleneck where it is installed; in turn, in one run.

python benchmarks/composite.py [--pixels 20000] [--dates 60] [--rounds 5]
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from timesenclip.eo import composite_kernel
from timesenclip.eo.composite import DayStack, composite_days, intervals_of_days

BANDS = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=20_000)
    parser.add_argument("--dates", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # months without an observation
    rng = np.random.default_rng(0)
    dates = np.datetime64("2018-01-01") + np.sort(rng.choice(365, given.dates, replace=False))
    valid = rng.random((given.dates, 1, given.pixels)) < 0.6
    dn = rng.integers(100, 6000, (given.dates, BANDS, 1, given.pixels), dtype=np.uint16)
    month = dates.astype("datetime64[M]").astype(int) % 12
    spectra = np.where(valid[:, None], dn.astype(np.float32) / 10_000, np.float32(np.nan))

    def by_month(median: Callable[..., Any]) -> Any:
        return np.stack([median(spectra[month == m], axis=0) for m in range(12) if (month == m).any()])

    def ours(compiled: bool) -> Any:
        composite_kernel._WORTH_COMPILING = 0 if compiled else 10**18
        edges, _ = intervals_of_days(dates, every="month", period=None)
        return composite_days([DayStack(dn, valid, dates)], edges, dn.shape[1:]).reflectance

    sides: dict[str, Callable[[], Any]] = {"numpy.nanmedian": lambda: by_month(np.nanmedian)}
    if importlib.util.find_spec("bottleneck"):
        import bottleneck

        sides["bottleneck.nanmedian"] = lambda: by_month(bottleneck.nanmedian)
    sides["ours, NumPy sort on uint16"] = lambda: ours(False)
    if composite_kernel.compiled() is not None:
        sides["ours, compiled network on uint16"] = lambda: ours(True)
    expected = np.nan_to_num(by_month(np.nanmedian))
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for name, side in sides.items():
        assert np.array_equal(np.nan_to_num(side()), expected), f"{name} differs"
    for _ in range(given.rounds):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            spent[name].append(time.perf_counter() - began)
    print(f"{given.dates} dates x {BANDS} bands, medians of {given.rounds} rounds, one thread; all bit-equal")
    first = statistics.median(spent["numpy.nanmedian"])
    for name, values in spent.items():
        rate = given.pixels / statistics.median(values)
        print(f"{name:36} {rate:>12,.0f} pixels/s  {first / statistics.median(values):>6.1f}x")


if __name__ == "__main__":
    main()
