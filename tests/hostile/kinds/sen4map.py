"""HDF5 files of Sen4Map."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bytes import BREAKAGES, flip, flip_head
from ..case import Case, Expect, Place

Change = Callable[[Any, Place], object]


def _some(file: Any, place: Place) -> Any:
    return file[place.random.choice(sorted(file))]


def _one(edit: Change) -> Change:
    """Change one point; the others are kept."""
    return lambda file, place: edit(_some(file, place), place)


def _each(edit: Change) -> Change:
    return lambda file, place: [edit(file[name], place) for name in list(file)]


def _replace(name: str, make: Callable[[np.ndarray, Place], Any]) -> Change:
    def edit(group: Any, place: Place) -> None:
        values = make(np.array(group[name]), place)
        del group[name]
        group.create_dataset(name, data=values)

    return edit


def _attribute(name: str, value: Callable[[Place], Any]) -> Change:
    def edit(group: Any, place: Place) -> None:
        group.attrs[name] = value(place)

    return edit


def _foreign(group: Any, place: Place) -> None:
    shape = group["B4"].shape
    del group["B4"]
    group.create_dataset(
        "B4", shape, "u1", external=[(str(place.canary / "secret.txt").encode(), 0, int(np.prod(shape)))]
    )


def _link(group: Any, place: Place) -> None:
    import h5py

    del group["B4"]
    group["B4"] = h5py.ExternalLink(str(place.canary / "secret.json"), "/x")


def _huge(group: Any, _: Place) -> None:
    del group["B4"]
    group.create_dataset("B4", (30, 1 << 20, 1 << 20), "u2", chunks=(1, 1024, 1024))


def _loop(group: Any, _: Place) -> None:
    group["again"] = group.parent


_BOTH: dict[str, Change] = {
    "a dataset missing": lambda g, p: g.pop(p.random.choice(["B2", "B4", "B8", "SCL"]), None) or g.__delitem__("SCL"),
    "values of text": _replace("B4", lambda v, p: np.full(v.shape, b"x")),
    "values of floats not finite": _replace("B4", lambda v, p: np.full(v.shape, np.nan, "float32")),
    "values of another shape": _replace("B4", lambda v, p: v[:, :3, :3]),
    "values of two axes": _replace("B4", lambda v, p: v[0]),
    "values of no images": _replace("B4", lambda v, p: v[:0]),
    "values of a scalar": _replace("B4", lambda v, p: np.uint16(5)),
    "SCL of another length": _replace("SCL", lambda v, p: v[:-1]),
    "names missing": lambda g, p: g.attrs.__delitem__("Image_ID"),
    "names of numbers": _attribute("Image_ID", lambda p: [1, 2, 3]),
    "names without dates": lambda g, p: g.attrs.__setitem__("Image_ID", ["x"] * len(g["B4"])),
    "names of dates that are none": lambda g, p: g.attrs.__setitem__("Image_ID", ["20189999T105031_x"] * len(g["B4"])),
    "names of escapes": lambda g, p: g.attrs.__setitem__("Image_ID", ["\x1b[31m"] * len(g["B4"])),
    "coordinates missing": lambda g, p: g.attrs.__delitem__("Coordinates"),
    "coordinates of text": _attribute("Coordinates", lambda p: "x"),
    "coordinates not numbers": _attribute("Coordinates", lambda p: [float("nan"), float("nan")]),
    "coordinates beyond the world": _attribute("Coordinates", lambda p: [500.0, 95.0]),
    "coordinates of one number": _attribute("Coordinates", lambda p: [3.0]),
    "coordinates of five numbers": _attribute("Coordinates", lambda p: [1.0, 2.0, 3.0, 4.0, 5.0]),
    "values in a foreign file": _foreign,
    "a link to a foreign file": _link,
    "a dataset of terabytes": _huge,
}
"""Of one point or of all of them."""

_HONEST = (
    "a dataset of terabytes",
    "values of floats not finite",
    "coordinates not numbers",
    "coordinates beyond the world",
    "coordinates of one number",
    "coordinates of five numbers",
    "coordinates missing",
    "coordinates of text",
)
"""Nobody is misled where a point without a usable place is kept, named or left out."""


def _file(name: str, change: Change, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        import h5py

        shutil.copy(place.base / "sen4map.h5", place.folder / "s.h5")
        with h5py.File(place.folder / "s.h5", "a") as file:
            change(file, place)
        return ["data", "sen4map", "s.h5", "-o", "out"]

    return Case("HDF5", f"HDF5/{name}", build, expect, writes=("out", "out.partial"))


def _broken(name: str, breakage: Callable[[Path, Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copy(place.base / "sen4map.h5", place.folder / "s.h5")
        breakage(place.folder / "s.h5", place)
        return ["data", "sen4map", "s.h5", "-o", "out"]

    return Case("HDF5", f"HDF5/file/{name}", build, expect, writes=("out", "out.partial"))


def cases() -> list[Case]:
    found = [_file("valid", lambda f, p: None, "works")]
    for name, edit in _BOTH.items():
        found.append(_file(f"one point: {name}", _one(edit), "no crash" if name in _HONEST else "partial"))
        found.append(_file(f"all points: {name}", _each(edit), "no crash" if name in _HONEST else "refused"))
    found += [
        _file("no points", lambda f, p: f.clear(), "refused"),
        _file(
            "a point that is a dataset",
            lambda f, p: (f.pop(sorted(f)[0], None), f.create_dataset("Lucas_Point_1", data=1))[1],
            "no crash",
        ),
        _file("names of escapes", lambda f, p: f.move(sorted(f)[0], "Lucas_Point_\x1b[31m"), "no crash"),
        _file(
            "names of other things", lambda f, p: [f.move(n, n.replace("Lucas_Point", "x")) for n in list(f)], "refused"
        ),
        _file("a circle of groups", lambda f, p: _loop(_some(f, p), p), "no crash"),
        _file("a label of escapes", _each(_attribute("lc1", lambda p: "\x1b[31m")), "no crash"),
        _file("a label of a list", _each(_attribute("lc1", lambda p: [1, 2])), "no crash"),
    ]
    found += [_broken(name, breakage, "refused") for name, breakage in BREAKAGES.items()]
    return [
        *found,
        *[_broken(f"changed bytes {i}", flip, "no crash") for i in range(6)],
        *[_broken(f"changed header {i}", flip_head, "no crash") for i in range(4)],
    ]
