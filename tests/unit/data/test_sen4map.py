from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.data.sen4map import convert_sen4map
from timesenclip.data.sen4map_groups import sen4map_keys
from timesenclip.data.store import SeriesStore
from timesenclip.eo.masking import clear_mask
from timesenclip.eo.radiometry import MISSING_DN
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError
from timesenclip.testing.training import write_sen4map

IDS = ["46862690", "46862691", "46862692", "46862693"]


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = [{"lc1": "B11", "lu1": "U111", "nuts0": "BE", "EUNIS_L2": "I1"}] * len(IDS)
    return write_sen4map(tmp_path_factory.mktemp("s") / "train.h5", IDS, labels=labels, side=24, acquisitions=60)


def _raw(file: Path, point: str) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """All of a patch, read the slow way."""
    with h5py.File(file) as source:
        group = source[f"Lucas_Point_{point}"]
        dn = np.stack([group[name.replace("B0", "B")][:] for name in BAND_NAMES], axis=1).astype(np.int64)
        month = np.array([int(str(text)[4:6]) - 1 for text in group.attrs["Image_ID"]])
        return dn, group["SCL"][:], month


@pytest.mark.parametrize("patch", [1, 5])
def test_clear_months_are_the_medians_of_clear_observations(patches: Path, tmp_path: Path, patch: int) -> None:
    store = convert_sen4map([patches], tmp_path / "store", patch_size=patch).store
    dn, observations = store.arrays()
    top = 24 // 2 - patch // 2
    box = np.s_[..., top : top + patch, top : top + patch]
    absent = 0
    for i, point in enumerate(IDS):
        raw, scl, month = _raw(patches, point)
        clear = clear_mask(scl.astype(np.int16), dilate_px=2)[box]
        for m in range(12):
            of_month = np.where((month == m)[:, None, None] & clear, 1.0, np.nan)[:, None]
            count = np.isfinite(of_month).sum(axis=0).min()
            assert observations[i, m] == count
            found = dn[i, m] if patch > 1 else dn[i, m][:, None, None]
            if count == 0:
                absent += 1
                assert (found == MISSING_DN).all()
            else:
                assert np.array_equal(found, np.rint(np.nanmedian(raw[box] * of_month, axis=0)))
    assert absent  # the fixture has months without a clear image, else half of this test is idle


def test_authors_months_follow_their_code_step_by_step(patches: Path, tmp_path: Path) -> None:
    import torch

    dn, _ = convert_sen4map([patches], tmp_path / "store", compositing="authors").store.arrays()
    for i, point in enumerate(IDS):
        raw, scl, month = _raw(patches, point)
        masked = torch.from_numpy(np.where((scl < 9)[:, None], raw, 0))
        for m in range(12):
            chosen = np.flatnonzero(month == m)
            chosen = chosen if len(chosen) else np.arange(len(month))
            expected = masked[chosen].median(dim=0).values + 1
            assert np.array_equal(dn[i, m], expected[:, 12, 12].numpy())


def test_labels_and_places_come_from_the_attributes(patches: Path, tmp_path: Path) -> None:
    store = convert_sen4map([patches], tmp_path / "store").store
    row = store.index.iloc[1]
    found = [row[name] for name in ("sample_id", "lc1", "lu1", "nuts0", "eunis_l2")]
    assert found == [IDS[1], "B11", "U111", "BE", "I1"]
    assert (row["lon"], row["lat"]) == pytest.approx((4.01, 50.0))
    series = store.series()
    assert series.reflectance.shape == (4, 12, 10)
    assert str(series.start[0, 6]) == "2018-07-01"
    assert series.reflectance[~series.valid].max(initial=0) == 0


def test_a_stopped_conversion_goes_on_and_gives_the_same_store(
    tmp_path: Path, patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timesenclip.data import sen4map
    from timesenclip.data.store_writer import StoreWriter

    monkeypatch.setattr(StoreWriter, "part_size", staticmethod(lambda patch_size=1: 2))
    monkeypatch.setattr("timesenclip.data.store_writer._CHUNK", 2)
    whole = convert_sen4map([patches], tmp_path / "whole").store.arrays()
    read, calls = sen4map._read, []

    def stops(task: sen4map._Task) -> sen4map._Piece:
        calls.append(task.part)
        if len(calls) == 2:
            raise Killed
        return read(task)

    monkeypatch.setattr(sen4map, "_read", stops)
    with pytest.raises(Killed):
        convert_sen4map([patches], tmp_path / "store")
    assert not (tmp_path / "store").exists()
    with pytest.raises(DataNotFoundError, match="unfinished"):
        SeriesStore.open(tmp_path / "store")
    with pytest.raises(InputError, match="compositing"):
        convert_sen4map([patches], tmp_path / "store", compositing="authors")
    calls[:] = [-9, -9]
    again = convert_sen4map([patches], tmp_path / "store")
    assert calls[2:] == [1]  # only the part that was missing
    for mine, theirs in zip(again.store.arrays(), whole, strict=True):
        assert np.array_equal(mine, theirs)


def test_groups_that_cannot_be_read_are_named_and_the_rest_kept(tmp_path: Path, patches: Path) -> None:
    file = tmp_path / "some.h5"
    file.write_bytes(patches.read_bytes())
    with h5py.File(file, "a") as source:
        del source[f"Lucas_Point_{IDS[0]}/SCL"]
        del source[f"Lucas_Point_{IDS[2]}"].attrs["Image_ID"]
    done = convert_sen4map([file], tmp_path / "store")
    assert sorted(done.failed) == [f"Lucas_Point_{IDS[0]}", f"Lucas_Point_{IDS[2]}"]
    assert "no dataset SCL" in done.failed[f"Lucas_Point_{IDS[0]}"]
    assert list(done.store.index["sample_id"]) == [IDS[1], IDS[3]]
    assert done.store.arrays()[0].shape == (2, 12, 10)


def test_workers_give_the_same(tmp_path: Path, patches: Path) -> None:
    alone = convert_sen4map([patches], tmp_path / "a").store.arrays()[0]
    assert np.array_equal(convert_sen4map([patches], tmp_path / "b", workers=2).store.arrays()[0], alone)


def test_bad_files_are_refused_in_one_line(tmp_path: Path, patches: Path) -> None:
    broken = tmp_path / "short.h5"
    broken.write_bytes(patches.read_bytes()[: len(patches.read_bytes()) // 3])
    with pytest.raises(DataNotFoundError, match="cut short"):
        convert_sen4map([broken], tmp_path / "o")
    with pytest.raises(DataNotFoundError, match="No Sen4Map file"):
        sen4map_keys(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("x")
    with pytest.raises(InputError, match="no group named Lucas_Point_"):
        sen4map_keys(tmp_path / "other.h5")
    with pytest.raises(InputError, match="odd number"):
        convert_sen4map([patches], tmp_path / "o", patch_size=4)
    with pytest.raises(InputError, match="None of the 1 ids"):
        convert_sen4map([patches], tmp_path / "o", only=["7"])
    with pytest.raises(InputError, match="given twice"):
        convert_sen4map([patches, patches], tmp_path / "o")
    undated = tmp_path / "undated.h5"
    undated.write_bytes(patches.read_bytes())
    with h5py.File(undated, "a") as file:
        for group in file.values():
            group.attrs["Image_ID"] = ["20189999T105031"] * len(group["SCL"])
    with pytest.raises(InputError, match="Nothing could be read"):
        convert_sen4map([undated], tmp_path / "o")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("o.")]
    convert_sen4map([patches], tmp_path / "there")
    with pytest.raises(InputError, match="exists already"):
        convert_sen4map([patches], tmp_path / "there")


def test_swapped_coordinates_are_put_right_and_said(tmp_path: Path, patches: Path) -> None:
    file = tmp_path / "swapped.h5"
    file.write_bytes(patches.read_bytes())
    with h5py.File(file, "a") as source:
        for i, point in enumerate(IDS):
            source[f"Lucas_Point_{point}"].attrs["Coordinates"] = f"(60.{i}, 24.9)"
    with pytest.warns(DegradedInputWarning, match="swapped"):
        index = convert_sen4map([file], tmp_path / "store").store.index
    assert (index["lon"] == 24.9).all()
    assert index["lat"].iloc[3] == 60.3
