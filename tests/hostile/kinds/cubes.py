"""Cubes in netCDF and Zarr: dimensions, coordinates, attributes and values that no reader expects."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bytes import BREAKAGES, HOSTILE_TEXT, cut, flip, flip_head, nested_json
from ..case import Case, Expect, Place

Change = Callable[[Any, Place], Any]


def _band(place: Place) -> str:
    from timesenclip.bands import BAND_NAMES

    return place.random.choice(BAND_NAMES)


def _coordinate(name: str, values: Callable[[Any, Place], Any]) -> Change:
    return lambda d, p: d.assign_coords({name: (name, values(np.array(d[name].values), p))})


def _attribute(name: str, value: Callable[[Place], object]) -> Change:
    """Give a random band an attribute."""

    def change(dataset: Any, place: Place) -> Any:
        dataset[_band(place)].attrs[name] = value(place)
        return dataset

    return change


def _values(make: Callable[[Any, Place], Any]) -> Change:
    def change(dataset: Any, place: Place) -> Any:
        band = _band(place)
        dataset[band] = (dataset[band].dims, make(np.array(dataset[band].values), place), dataset[band].attrs)
        return dataset

    return change


def _every_band(make: Callable[[Any, Place], Any]) -> Change:
    def change(dataset: Any, place: Place) -> Any:
        from timesenclip.bands import BAND_NAMES

        for band in BAND_NAMES:
            dataset[band] = (dataset[band].dims, make(np.array(dataset[band].values), place), dataset[band].attrs)
        return dataset

    return change


def _crs(text: Callable[[Place], object]) -> Change:
    def change(dataset: Any, place: Place) -> Any:
        wkt = text(place)
        return dataset.assign_coords(spatial_ref=((), 0, {"crs_wkt": wkt, "spatial_ref": wkt}))

    return change


def _without_bands(dataset: Any, place: Place) -> Any:
    from timesenclip.bands import BAND_NAMES

    return dataset.drop_vars(BAND_NAMES)


def _nothing(values: Any, index: object) -> Any:
    values = values.astype(float)
    values[index] = np.nan
    return values


def _gap(values: Any, place: Place) -> Any:
    at = place.random.randrange(1, len(values) - 1)
    return np.concatenate([values[:at], values[at:] + 3.7])


_CHANGES: dict[str, tuple[Change, Expect]] = {
    "valid": (lambda d, _: d, "works"),
    "axes in another order": (lambda d, _: d.transpose("x", "y", "time"), "works"),
    "float32 values": (_every_band(lambda v, _: v.astype("float32")), "works"),
    "south up": (lambda d, _: d.isel(y=slice(None, None, -1)), "works"),
    "an extra variable": (lambda d, _: d.assign(note=("x", np.arange(d.sizes["x"]))), "works"),
    "a missing band": (lambda d, p: d.drop_vars(_band(p)), "refused or works"),
    "no band": (_without_bands, "refused"),
    "no CRS": (lambda d, _: d.drop_vars("spatial_ref"), "refused"),
    "a CRS that is none": (_crs(lambda p: p.random.choice(["nowhere", "EPSG:99999999", "", "PROJCS["])), "refused"),
    "a CRS with escapes": (_crs(lambda _: HOSTILE_TEXT.replace("\x00", "")), "refused"),
    "a CRS of a megabyte": (_crs(lambda _: "PROJCS[" * 20_000), "refused"),
    "a CRS that is a number": (_crs(lambda _: 12.5), "refused"),
    "a CRS of a file": (_crs(lambda _: "@../canary/secret.txt"), "refused"),
    "a CRS of an address": (_crs(lambda p: f"{p.trap}/crs"), "refused"),
    "no dates": (lambda d, _: d.isel(time=slice(0, 0)), "refused"),
    "no columns": (lambda d, _: d.isel(x=slice(0, 0)), "refused"),
    "one pixel": (lambda d, _: d.isel(x=slice(0, 1), y=slice(0, 1)), "refused or works"),
    "one row": (lambda d, _: d.isel(y=slice(0, 1)), "refused or works"),
    "no time axis": (lambda d, _: d.isel(time=0, drop=True), "refused"),
    "time without coordinate": (lambda d, _: d.drop_vars("time"), "refused"),
    "x without coordinate": (lambda d, _: d.drop_vars("x"), "refused"),
    "x constant": (_coordinate("x", lambda v, _: np.full(len(v), 500_005.0)), "refused"),
    "x not a number": (_coordinate("x", lambda v, _: np.full(len(v), np.nan)), "refused"),
    "one x not a number": (_coordinate("x", lambda v, p: _nothing(v, p.random.randrange(len(v)))), "refused"),
    "x infinite": (_coordinate("x", lambda v, p: v * float("inf")), "refused"),
    "x huge": (_coordinate("x", lambda v, _: v * 1e300), "refused or works"),
    "x with a gap": (_coordinate("x", _gap), "refused"),
    "x of text": (_coordinate("x", lambda v, _: np.array([f"x{i}" for i in range(len(v))])), "refused"),
    "x of integers": (_coordinate("x", lambda v, _: v.astype("int64")), "refused or works"),
    "y constant": (_coordinate("y", lambda v, _: np.zeros(len(v))), "refused"),
    "pixels of no width": (_coordinate("x", lambda v, _: 5e5 + np.arange(len(v)) * 1e-12), "refused"),
    "pixels of a kilometre": (_coordinate("x", lambda v, _: 5e5 + np.arange(len(v)) * 1000.0), "refused or works"),
    "time of text": (_coordinate("time", lambda v, _: np.array([f"day {i}" for i in range(len(v))])), "refused"),
    "time of floats": (_coordinate("time", lambda v, _: np.linspace(0, 1, len(v))), "refused"),
    "time missing": (_coordinate("time", lambda v, _: np.full(len(v), np.datetime64("NaT", "ns"))), "refused"),
    "one time missing": (
        _coordinate("time", lambda v, _: np.concatenate([[np.datetime64("NaT", "ns")], v[1:]])),
        "refused",
    ),
    "time the same": (_coordinate("time", lambda v, _: np.repeat(v[:1], len(v))), "refused"),
    "_FillValue of text": (_attribute("missing_value", lambda _: "x"), "refused"),
    "nodata attribute of text": (_attribute("nodata", lambda p: p.random.choice(["x", "\x1b[31m", ""])), "refused"),
    "_FillValue of several numbers": (_attribute("missing_value", lambda _: [1.0, 2.0]), "refused or works"),
    "scale of text": (_attribute("scale_factor", lambda _: "x"), "refused"),
    "scale of zero": (_attribute("scale_factor", lambda _: 0.0), "refused"),
    "scale not a number": (_attribute("scale_factor", lambda _: float("nan")), "refused"),
    "scale infinite": (_attribute("scale_factor", lambda _: float("inf")), "refused"),
    "offset of text": (_attribute("add_offset", lambda _: HOSTILE_TEXT.replace("\x00", "")), "refused or works"),
    "grid mapping that is not there": (_attribute("grid_mapping", lambda _: "nowhere"), "refused or works"),
    "values of text": (_values(lambda v, _: np.full(v.shape, "x")), "refused"),
    "values not numbers": (_every_band(lambda v, _: np.full(v.shape, np.nan, "float32")), "refused"),
    "values infinite": (_values(lambda v, _: np.full(v.shape, np.inf, "float32")), "refused or works"),
    "values huge": (_values(lambda v, _: np.full(v.shape, 3e38, "float32")), "refused or works"),
    "values negative": (_every_band(lambda v, _: -v.astype("int16")), "refused"),
    "values of booleans": (_values(lambda v, _: v > 0), "refused or works"),
    "values of int64": (_values(lambda v, _: np.full(v.shape, 2**62)), "refused or works"),
    "values complex": (_values(lambda v, _: v.astype("float64") * 1.0 + 0), "works"),
    "all cloud": (lambda d, _: d.assign(SCL=d["SCL"] * 0 + 9), "refused"),
    "SCL out of range": (lambda d, p: d.assign(SCL=d["SCL"] * 0 + p.random.randint(12, 255)), "refused or works"),
    "SCL of floats": (lambda d, _: d.assign(SCL=d["SCL"].astype("float32") + 0.5), "refused or works"),
    "SCL of text": (lambda d, _: d.assign(SCL=d["SCL"].astype(str)), "refused"),
    "SCL of another shape": (lambda d, _: d.assign(SCL=d["SCL"].isel(time=0, drop=True)), "refused or works"),
    "a band with two axes": (lambda d, p: d.assign({_band(p): d["B02"].isel(time=0, drop=True)}), "refused"),
    "a band with four axes": (lambda d, p: d.assign({_band(p): d["B02"].expand_dims(z=2)}), "refused"),
    "dates in the year 9999": (
        lambda d, _: d.assign_coords(time=np.array([f"9999-0{i + 1}-01" for i in range(4)], "datetime64[s]")),
        "refused or works",
    ),
}

_OLD_TIMES: dict[str, tuple[str, list[float], str]] = {
    "time in unknown units": ("fortnights since yesterday", [1, 2, 3, 4], "standard"),
    "time in an unknown calendar": ("days since 2021-01-01", [1, 2, 3, 4], "maya"),
    "time far away": ("days since 2021-01-01", [1e18, 2e18, 3e18, 4e18], "standard"),
    "time in the year 1": ("days since 0001-01-01", [1, 2, 3, 4], "proleptic_gregorian"),
    "time of 360 days": ("days since 2021-01-01", [1, 30, 60, 90], "360_day"),
    "time not a number": ("days since 2021-01-01", [float("nan")] * 4, "standard"),
    "time of escapes": ("days since \x1b[31m", [1, 2, 3, 4], "standard"),
}


def _dataset(place: Place) -> Any:
    import xarray as xr

    with xr.open_zarr(place.base / "cube.zarr", consolidated=False) as opened:
        dataset = opened.load()
    for name in dataset.variables:
        dataset[name].encoding.clear()
    return dataset


def _write(dataset: Any, kind: str, folder: Path) -> str:
    if kind == "netCDF":
        dataset.to_netcdf(folder / "cube.nc", engine="h5netcdf", invalid_netcdf=True)
        return "cube.nc"
    dataset.to_zarr(folder / "cube.zarr", mode="w", zarr_format=3, consolidated=False)
    return "cube.zarr"


def _command(command: str, name: str) -> list[object]:
    if command == "map":
        return ["map", name, "-p", "maize", "-p", "forest", "-o", "out"]
    return ["embed-area", name, "-o", "out.zarr"]


_OUT = ("out", "out.zarr", "out.json", "out.manifest.jsonl", "out.zarr.item.json", "out.zarr.manifest.jsonl")


def _case(kind: str, command: str, name: str, change: Change, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        return _command(command, _write(change(_dataset(place), place), kind, place.folder))

    return Case(kind, f"{kind}/{command}/{name}", build, expect, writes=_OUT)


def _old_time(kind: str, name: str, units: str, values: list[float], calendar: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        dataset = _dataset(place)
        times = ("time", np.array(values), {"units": units, "calendar": calendar})
        return _command("map", _write(dataset.assign_coords(time=times), kind, place.folder))

    return Case(kind, f"{kind}/map/{name}", build, "refused")


def _file(name: str, breakage: Callable[[Path, Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        _write(_dataset(place), "netCDF", place.folder)
        breakage(place.folder / "cube.nc", place)
        return _command("map", "cube.nc")

    return Case("netCDF", f"netCDF/file/{name}", build, expect, writes=_OUT)


def _hdf5(name: str, change: Callable[[Any, Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        import h5py

        _write(_dataset(place), "netCDF", place.folder)
        with h5py.File(place.folder / "cube.nc", "a") as file:
            change(file, place)
        return _command("map", "cube.nc")

    return Case("netCDF", f"netCDF/HDF5/{name}", build, expect, writes=_OUT)


def _external(file: Any, place: Place) -> None:
    """Its values lie in a foreign file."""
    del file["B04"]
    target = str(place.canary / "secret.txt").encode()
    file.create_dataset("B04", (4, 16, 16), "u1", external=[(target, 0, 1024)])


def _external_link(file: Any, place: Place) -> None:
    import h5py

    del file["B04"]
    file["B04"] = h5py.ExternalLink(str(place.canary / "secret.json"), "/x")


def _virtual(file: Any, place: Place) -> None:
    import h5py

    del file["B04"]
    layout = h5py.VirtualLayout(shape=(4, 16, 16), dtype="u2")
    layout[:] = h5py.VirtualSource(str(place.canary / "secret.txt"), "x", shape=(4, 16, 16))
    file.create_virtual_dataset("B04", layout)


def _huge(file: Any, _: Place) -> None:
    del file["B04"]
    file.create_dataset("B04", (4, 1 << 20, 1 << 20), "u2", chunks=(1, 1024, 1024))


def _soft_loop(file: Any, _: Place) -> None:
    import h5py

    del file["B04"]
    file["B04"] = h5py.SoftLink("/B04")


def _object_dtype(file: Any, _: Place) -> None:
    import h5py

    del file["B04"]
    file.create_dataset("B04", data=[["a"] * 4], dtype=h5py.string_dtype())


def _reference_lost(file: Any, _: Place) -> None:
    file["B04"].attrs["DIMENSION_LIST"] = np.array([1, 2, 3])


def _group_of_that_name(file: Any, _: Place) -> None:
    del file["B04"]
    file.create_group("B04")


_HDF5: dict[str, tuple[Callable[[Any, Place], None], Expect]] = {
    "values in a foreign file": (_external, "refused"),
    "a link to a foreign file": (_external_link, "refused"),
    "a virtual dataset of a foreign file": (_virtual, "refused"),
    "a band of 8 terabytes": (_huge, "refused"),
    "a link to itself": (_soft_loop, "refused"),
    "a band of objects": (_object_dtype, "refused"),
    "dimensions lost": (_reference_lost, "refused"),
    "a group in place of a band": (_group_of_that_name, "refused"),
}


def _zarr(name: str, change: Callable[[Path, Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copytree(place.base / "cube.zarr", place.folder / "cube.zarr")
        change(place.folder / "cube.zarr", place)
        return _command("map", "cube.zarr")

    return Case("Zarr", f"Zarr/files/{name}", build, expect, writes=_OUT)


def edited(file: str, edit: Callable[[dict[str, Any]], object]) -> Callable[[Path, Place], None]:
    """Change the JSON of a file below the store."""

    def change(root: Path, _: Place) -> None:
        content = json.loads((root / file).read_text())
        edit(content)
        (root / file).write_text(json.dumps(content))

    return change


def _text(file: str, text: Callable[[Place], str | bytes]) -> Callable[[Path, Place], None]:
    def change(root: Path, place: Place) -> None:
        content = text(place)
        (root / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def _one_chunk(breakage: Callable[[Path, Place], None]) -> Callable[[Path, Place], None]:
    def change(root: Path, place: Place) -> None:
        chunks = sorted(path for path in (root / _band(place) / "c").rglob("*") if path.is_file())
        breakage(place.random.choice(chunks), place)

    return change


def _codec(name: str) -> Callable[[Path, Place], None]:
    return edited("B04/zarr.json", lambda c: c.update(codecs=[{"name": name, "configuration": {}}]))


_METADATA = "B04/zarr.json"
_ZARR: dict[str, tuple[Callable[[Path, Place], None], Expect]] = {
    "valid": (lambda r, p: None, "works"),
    "no root": (lambda r, p: (r / "zarr.json").unlink(), "refused"),
    "root is empty": (_text("zarr.json", lambda p: ""), "refused"),
    "root is a list": (_text("zarr.json", lambda p: "[]"), "refused"),
    "root is nested": (_text("zarr.json", lambda p: nested_json(100_000)), "refused"),
    "root in latin-1": (_text("zarr.json", lambda p: b'{"zarr_format": 3, "a": "\xe9"}'), "refused"),
    "format 99": (edited("zarr.json", lambda c: c.update(zarr_format=99)), "refused"),
    "a node of no type": (edited("zarr.json", lambda c: c.update(node_type="\x1b[31m")), "refused"),
    "shape of a million millions": (edited(_METADATA, lambda c: c.update(shape=[4, 1 << 40, 1 << 40])), "refused"),
    "negative shape": (edited(_METADATA, lambda c: c.update(shape=[4, -16, 16])), "refused"),
    "shape of text": (edited(_METADATA, lambda c: c.update(shape="x")), "refused"),
    "shape of floats": (edited(_METADATA, lambda c: c.update(shape=[4.5, 16, 16])), "refused"),
    "chunks of nothing": (
        edited(_METADATA, lambda c: c["chunk_grid"]["configuration"].update(chunk_shape=[0, 0, 0])),
        "refused",
    ),
    "chunks of terabytes": (
        edited(_METADATA, lambda c: c["chunk_grid"]["configuration"].update(chunk_shape=[4, 1 << 20, 1 << 20])),
        "refused",
    ),
    "an unknown type": (edited(_METADATA, lambda c: c.update(data_type="float1024")), "refused"),
    "a type of objects": (edited(_METADATA, lambda c: c.update(data_type="|O")), "refused"),
    "an unknown codec": (_codec("os.system"), "refused"),
    "a codec of pickles": (_codec("numcodecs.pickle"), "refused"),
    "no codecs": (edited(_METADATA, lambda c: c.update(codecs=[])), "refused"),
    "a fill value of text": (edited(_METADATA, lambda c: c.update(fill_value="x")), "refused"),
    "_FillValue of text": (edited(_METADATA, lambda c: c["attributes"].update({"_FillValue": "x"})), "refused"),
    "_FillValue of escapes": (
        edited(_METADATA, lambda c: c["attributes"].update({"_FillValue": "\x1b[31m"})),
        "refused",
    ),
    "attributes are a list": (edited(_METADATA, lambda c: c.update(attributes=[])), "refused or works"),
    "dimension names of paths": (
        edited(_METADATA, lambda c: c.update(dimension_names=["../a", "../b", "../c"])),
        "refused",
    ),
    "dimension names missing": (edited(_METADATA, lambda c: c.update(dimension_names=None)), "refused"),
    "chunk names of paths": (
        edited(_METADATA, lambda c: c.update(chunk_key_encoding={"name": "../../canary"})),
        "refused",
    ),
    "storage transformers": (
        edited(_METADATA, lambda c: c.update(storage_transformers=[{"name": "x"}])),
        "refused or works",
    ),
    "a chunk cut short": (_one_chunk(cut), "refused or works"),
    "a chunk of random bytes": (_one_chunk(BREAKAGES["random bytes"]), "no crash"),
    "an empty chunk": (_one_chunk(BREAKAGES["empty file"]), "no crash"),
    "a chunk that is a folder": (_one_chunk(BREAKAGES["a folder"]), "no crash"),
    "a chunk that is a pipe": (_one_chunk(BREAKAGES["a pipe"]), "no crash"),
    "an endless chunk": (_one_chunk(BREAKAGES["an endless device"]), "no crash"),
    "a chunk that is gone": (_one_chunk(BREAKAGES["gone"]), "refused or works"),
    "a chunk linked to a foreign file": (
        _one_chunk(lambda f, p: (f.unlink(), f.symlink_to(p.canary / "secret.txt"))[1]),
        "no crash",
    ),
    "a band linked to itself": (lambda r, p: (shutil.rmtree(r / "B04"), (r / "B04").symlink_to("B04"))[1], "refused"),
    "an empty folder": (lambda r, p: (shutil.rmtree(r), r.mkdir())[1], "refused"),
    "a file": (lambda r, p: (shutil.rmtree(r), r.write_text("x"))[1], "refused"),
}


def cases() -> list[Case]:
    found = []
    for kind in ("netCDF", "Zarr"):
        for name, (change, expect) in _CHANGES.items():
            found.append(_case(kind, "map", name, change, expect))
        found += [_old_time(kind, name, *how) for name, how in _OLD_TIMES.items()]
    few = (
        "valid",
        "x constant",
        "values of text",
        "no dates",
        "nodata attribute of text",
        "values not numbers",
        "a CRS with escapes",
    )
    for name in few:  # a store may be of nothing seen
        change, expect = _CHANGES[name]
        expect = "refused or works" if name == "values not numbers" else expect
        found.append(_case("netCDF", "embed-area", name, change, expect))
    found += [_hdf5(name, change, expect) for name, (change, expect) in _HDF5.items()]
    found += [_file(name, breakage, "refused") for name, breakage in BREAKAGES.items()]
    found += [_file(f"changed bytes {i}", flip, "no crash") for i in range(8)]
    found += [_file(f"changed header {i}", flip_head, "no crash") for i in range(4)]
    found += [_zarr(name, change, expect) for name, (change, expect) in _ZARR.items()]
    return found
