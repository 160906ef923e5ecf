"""Split a training store by spatial blocks into lists of ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from timesenclip.data.splits import check_apart
from timesenclip.data.store import SeriesStore
from timesenclip.files import write_text
from timesenclip.owned import claimed, require_own_names
from timesenclip.spatial import spatial_parts

__all__ = ["StoreSplit", "split_store"]

_PARTS = ("train", "validation", "test", "unused")


@dataclass(frozen=True, slots=True)
class StoreSplit:
    """What a store was split into."""

    folder: Path
    """Folder with one list of ids for each part."""
    places: dict[str, int]
    """Places by part; "unused" are training places too near to others."""
    nearest_m: float
    """Distance of the nearest held-out place from a training place in metres; infinity where there is none."""


def split_store(
    store: str | Path,
    out: str | Path,
    *,
    block_deg: float = 0.5,
    validation: float = 0.05,
    test: float = 0.05,
    gap_m: float = 2000.0,
    seed: int = 0,
) -> StoreSplit:
    """Give whole blocks of land to training, validation or test, and write `PART.txt` with one id a line.

    Args:
        store: a training store with coordinates.
        out: folder for the lists; it is made.
        block_deg: side of a block in degrees.
        validation, test: shares of the blocks; the rest is for training.
        gap_m: training places nearer than this to a held-out one are "unused".
        seed: which block falls where.

    Raises:
        InputError: a place has no coordinates, the shares are not in 0..1, or a list would replace a file that is
            not ours.
    """
    names = tuple(f"{name}.txt" for name in _PARTS)
    require_own_names(out, "split", names)
    index = SeriesStore.open(store).index
    lon, lat = index["lon"].to_numpy(), index["lat"].to_numpy()
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    part = spatial_parts(lat_deg=lat, lon_deg=lon, block_deg=block_deg, shares=shares, seed=seed, gap_m=gap_m)
    nearest = check_apart(part, lat_deg=lat, lon_deg=lon, min_distance_m=gap_m)
    with claimed(out, "split", names) as folder:
        for name in _PARTS:
            ids = index["sample_id"].astype(str).to_numpy()[part == name]
            write_text(folder / f"{name}.txt", "\n".join(ids) + "\n" * bool(len(ids)))
    return StoreSplit(folder, {name: int((part == name).sum()) for name in _PARTS}, nearest)
