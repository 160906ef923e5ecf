"""Folders of GeoTIFFs, and rasters of labels."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bytes import BREAKAGES, flip, flip_head
from ..case import Case, Expect, Place

_OUT = ("out",)


def _one(folder: Path, place: Place) -> Path:
    return place.random.choice(sorted(folder.glob("*.tif")))


def _rewritten(**changes: Any) -> Callable[[Path, Place], None]:
    """Write one file again, with another profile."""

    def change(folder: Path, place: Place) -> None:
        import rasterio

        path = _one(folder, place)
        with rasterio.open(path) as file:
            profile, values = file.profile, file.read()
        values = changes.get("values", lambda v, _: v)(values, place)
        profile.update(height=values.shape[1], width=values.shape[2], count=values.shape[0], dtype=values.dtype)
        profile.update({k: v for k, v in changes.items() if k != "values"})
        with rasterio.open(path, "w", **profile) as file:
            file.write(values.astype(profile["dtype"]))

    return change


def _every(make: Callable[[np.ndarray, Place], np.ndarray]) -> Callable[[Path, Place], None]:
    def change(folder: Path, place: Place) -> None:
        import rasterio

        for path in sorted(folder.glob("*.tif")):
            with rasterio.open(path, "r+") as file:
                file.write(make(file.read(), place))

    return change


def _renamed(to: Callable[[str, Place], str]) -> Callable[[Path, Place], None]:
    def change(folder: Path, place: Place) -> None:
        path = _one(folder, place)
        path.rename(path.with_name(to(path.name, place)))

    return change


def _all_renamed(to: Callable[[str], str]) -> Callable[[Path, Place], None]:
    def change(folder: Path, _: Place) -> None:
        for path in sorted(folder.glob("*.tif")):
            path.rename(path.with_name(to(path.name)))

    return change


def _broken(breakage: Callable[[Path, Place], None]) -> Callable[[Path, Place], None]:
    return lambda folder, place: breakage(_one(folder, place), place)


def _vrt(source: Callable[[Place], str], *, name: str | None = None) -> Callable[[Path, Place], None]:
    """A file that is a VRT of something else."""

    def change(folder: Path, place: Place) -> None:
        path = _one(folder, place)
        path.unlink()
        text = (
            '<VRTDataset rasterXSize="16" rasterYSize="16"><SRS>EPSG:32631</SRS>'
            "<GeoTransform>500000, 10, 0, 5600000, 0, -10</GeoTransform>"
            '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
            f'<SourceFilename relativeToVRT="0">{source(place)}</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand></VRTDataset>"
        )
        path.with_name(name or path.name).write_text(text)

    return change


def _raw_vrt(folder: Path, place: Place) -> None:
    """Reads any file as raw numbers."""
    path = _one(folder, place)
    path.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativeToVRT="0">{place.canary / "secret.txt"}</SourceFilename></VRTRasterBand></VRTDataset>'
    )


def _sidecar(text: Callable[[Place], str]) -> Callable[[Path, Place], None]:
    def change(folder: Path, place: Place) -> None:
        path = _one(folder, place)
        path.with_name(path.name + ".aux.xml").write_text(text(place))

    return change


def _tiff(width: int, height: int, *, offsets: int = 8) -> Callable[[Path, Place], None]:
    """A TIFF of a few bytes that claims to be of any size."""

    def change(folder: Path, place: Place) -> None:
        path = _one(folder, place)
        tags = [
            (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, offsets), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 0xFFFFFFF0),
        ]  # fmt: skip
        body = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags))
        body += b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
        path.write_bytes(body)

    return change


def _directory_loop(folder: Path, place: Place) -> None:
    """The next image of the file is the same image."""
    path = _one(folder, place)
    data = bytearray(path.read_bytes())
    at = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    path.write_bytes(bytes(data))


def _many(folder: Path, place: Place) -> None:
    """Thousands of names that hold no image."""
    for i in range(3000):
        (folder / f"2021-01-07_note{i}.tif").touch()


def _pipes(folder: Path, place: Place) -> None:
    path = _one(folder, place)
    path.unlink()
    os.mkfifo(path)


_STACK: dict[str, tuple[Callable[[Path, Place], None], Expect]] = {
    "valid": (lambda f, p: None, "works"),
    "deflated": (_rewritten(compress="deflate"), "works"),
    "tiled": (_rewritten(tiled=True, blockxsize=16, blockysize=16), "works"),
    "float64": (_rewritten(values=lambda v, p: v.astype("float64")), "refused or works"),
    "a text file beside them": (lambda f, p: (f / "readme.txt").write_text("x"), "works"),
    "another CRS": (_rewritten(crs="EPSG:3857"), "refused"),
    "no CRS": (_rewritten(crs=None), "refused"),
    "another size": (_rewritten(values=lambda v, p: v[:, :-1]), "refused"),
    "one pixel": (_rewritten(values=lambda v, p: v[:, :1, :1]), "refused"),
    "several bands": (_rewritten(values=lambda v, p: np.repeat(v, 3, axis=0)), "refused or works"),
    "complex values": (_rewritten(values=lambda v, p: v.astype("complex64")), "refused"),
    "nodata not a number": (
        _rewritten(values=lambda v, p: v.astype("float32"), nodata=float("nan")),
        "refused or works",
    ),
    "a rotated grid": (_rewritten(transform=(9.0, 3.0, 5e5, 3.0, -9.0, 5.6e6)), "refused"),
    "a grid of no width": (_rewritten(transform=(1e-300, 0.0, 5e5, 0.0, -1e-300, 5.6e6)), "refused"),
    "a grid that is not finite": (_rewritten(transform=(float("nan"), 0.0, 5e5, 0.0, -10.0, 5.6e6)), "refused"),
    "everything is nodata": (_every(lambda v, p: v * 0), "refused"),
    "a band that is gone": (lambda f, p: _one(f, p).unlink(), "refused or works"),
    "a name without a date": (_all_renamed(lambda n: n.split("_")[1]), "refused"),
    "a date that is none": (_all_renamed(lambda n: "2021-99-99_" + n.split("_")[1]), "refused"),
    "one date that is none": (
        _renamed(lambda n, p: f"2021-{p.random.randint(13, 99)}-77_" + n.split("_")[1]),
        "refused",
    ),
    "a date in the year 0000": (_renamed(lambda n, p: "0000-00-00_" + n.split("_")[1]), "refused"),
    "escapes in a name": (_renamed(lambda n, p: "2021-01-07_\x1b[31m_" + n.split("_")[1]), "refused or works"),
    "a surrogate in a name": (_renamed(lambda n, p: "2021-01-07_\udcff_" + n.split("_")[1]), "refused or works"),
    "a link to itself": (_broken(BREAKAGES["a link to itself"]), "refused"),
    "a VRT of a foreign file": (_vrt(lambda p: str(p.canary / "secret.txt")), "refused"),
    "a VRT of an address": (_vrt(lambda p: f"/vsicurl/{p.trap}/a.tif"), "refused"),
    "a VRT of itself": (_vrt(lambda p: "stack/2021-01-07_B04.tif"), "refused"),
    "a raw VRT of a foreign file": (_raw_vrt, "refused"),
    "a VRT with its own suffix": (
        _vrt(lambda p: f"/vsicurl/{p.trap}/a.tif", name="2021-01-07_B04.vrt"),
        "refused or works",
    ),
    "a sidecar that is no XML": (_sidecar(lambda p: "<PAMDataset><"), "no crash"),
    "a sidecar of entities": (
        _sidecar(lambda p: '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><PAMDataset>&b;</PAMDataset>'),
        "no crash",
    ),
    "a TIFF of 4 billion pixels a side": (_tiff(0xFFFFFFFF, 0xFFFFFFFF), "refused"),
    "a TIFF of 60000 pixels a side": (_tiff(60000, 60000), "refused"),
    "a TIFF without pixels": (_tiff(0, 0), "refused"),
    "a TIFF that reads beyond its end": (_tiff(16, 16, offsets=0xFFFFFFF0), "refused"),
    "a TIFF whose images are a circle": (_directory_loop, "no crash"),
    "3000 empty files": (_many, "refused or works"),
    "no files": (lambda f, p: [path.unlink() for path in f.iterdir()], "refused"),
    "a text file alone": (lambda f, p: ([path.unlink() for path in f.iterdir()], (f / "a.txt").touch())[1], "refused"),
}


def _stack(name: str, change: Callable[[Path, Place], object], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copytree(place.base / "stack", place.folder / "stack")
        change(place.folder / "stack", place)
        return ["map", "stack", "-p", "maize", "-p", "forest", "-o", "out"]

    return Case("GeoTIFF", f"GeoTIFF/stack/{name}", build, expect, writes=_OUT)


def _labels(name: str, make: Callable[[np.ndarray, Place], np.ndarray], expect: Expect, **profile: Any) -> Case:
    def build(place: Place) -> Sequence[object]:
        import rasterio
        from affine import Affine

        values = make(np.random.default_rng(0).integers(1, 3, (1, 16, 16)).astype("uint8"), place)
        base = {
            "driver": "GTiff", "width": values.shape[2], "height": values.shape[1], "count": values.shape[0],
            "dtype": values.dtype, "crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 5.6e6),
        }  # fmt: skip
        with rasterio.open(place.folder / "labels.tif", "w", **{**base, **profile}) as file:
            file.write(values)
        options = ["-p", "maize", "-p", "forest", "--mapping", "1=maize,2=forest", "--draws", 20]
        return ["evaluate", "suite", place.base / "cube", "--labels", "labels.tif", *options]

    return Case("GeoTIFF", f"GeoTIFF/labels/{name}", build, expect)


def cases() -> list[Case]:
    found = [_stack(name, change, expect) for name, (change, expect) in _STACK.items()]
    for name, breakage in BREAKAGES.items():
        found.append(
            _stack(f"one file is {name}", _broken(breakage), "refused or works" if name == "gone" else "refused")
        )
    found += [_stack(f"changed bytes {i}", _broken(flip), "no crash") for i in range(6)]
    found += [_stack(f"changed header {i}", _broken(flip_head), "no crash") for i in range(6)]
    found += [
        _labels("valid", lambda v, p: v, "works"),
        _labels("another size", lambda v, p: v[:, :8], "refused"),
        _labels("another CRS", lambda v, p: v, "refused", crs="EPSG:32632"),
        # Without a CRS its coordinates are taken to be the cube's: they are the same.
        _labels("no CRS", lambda v, p: v, "works", crs=None),
        _labels("floats", lambda v, p: v + np.float32(0.5), "refused"),
        _labels("not numbers", lambda v, p: v * np.float32("nan"), "refused"),
        _labels("unknown labels", lambda v, p: v + np.uint8(p.random.randint(50, 200)), "refused"),
        _labels("one label", lambda v, p: v * 0 + np.uint8(1), "refused or works"),
        _labels("several bands", lambda v, p: np.repeat(v, 2, axis=0), "refused or works"),
        _labels("complex", lambda v, p: v.astype("complex64"), "refused"),
    ]
    return found
