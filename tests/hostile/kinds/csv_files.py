"""CSV: point tables, LUCAS tables, votes, pairs and lists of photographs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from ..bytes import BREAKAGES, flip
from ..case import Case, Expect, Place

Edit = Callable[[str, Place], str | bytes]


def _cell(line: int | None, column: int, value: Callable[[Place], str]) -> Edit:
    def edit(text: str, place: Place) -> str:
        lines = text.splitlines()
        at = place.random.randrange(1, len(lines)) if line is None else line
        cells = lines[at].split(",")
        cells[column] = value(place)
        lines[at] = ",".join(cells)
        return "\n".join(lines) + "\n"

    return edit


def _quadruple(text: str) -> str:
    head, *rows = text.splitlines()
    return "\n".join([head, *rows * 400]) + "\n"


_POINTS: dict[str, tuple[Edit, Expect]] = {
    "valid": (lambda t, p: t, "works"),
    "line ends of Windows": (lambda t, p: t.replace("\n", "\r\n"), "works"),
    "a byte order mark": (lambda t, p: b"\xef\xbb\xbf" + t.encode(), "refused or works"),
    "semicolons": (lambda t, p: t.replace(",", ";"), "refused or works"),
    "tabs": (lambda t, p: t.replace(",", "\t"), "refused or works"),
    "utf-16": (lambda t, p: t.encode("utf-16"), "refused"),
    "latin-1": (lambda t, p: t.replace("point-0", "forêt").encode("latin-1"), "refused or works"),
    "a header alone": (lambda t, p: t.splitlines()[0] + "\n", "refused"),
    "no header": (lambda t, p: "\n".join(t.splitlines()[1:]), "refused"),
    "a header twice": (lambda t, p: t.splitlines()[0] + "\n" + t, "refused"),
    "empty lines": (lambda t, p: "\n\n".join(t.splitlines()), "refused or works"),
    "one line is short": (lambda t, p: t.replace(t.splitlines()[2], "point-x,50"), "refused or works"),
    "one line is long": (lambda t, p: t.replace(t.splitlines()[2], t.splitlines()[2] + ",1,2,3"), "refused or works"),
    "a quote that never ends": (lambda t, p: t.replace("point-1", '"point-1'), "refused"),
    "NULs": (lambda t, p: t.replace("point-1", "po\x00nt"), "refused or works"),
    "escapes in an id": (lambda t, p: t.replace("point-1", "\x1b[31mred"), "refused or works"),
    "escapes in the header": (lambda t, p: t.replace("start_date", "\x1b[31m"), "refused"),
    "text in lat": (_cell(None, 1, lambda p: p.random.choice(["north", "50°N", "x"])), "refused"),
    "a formula in an id": (_cell(None, 0, lambda p: "=HYPERLINK(1)"), "works"),
    "text in a band": (_cell(None, 10, lambda p: "n/a?"), "refused"),
    "a huge number in a band": (_cell(None, 10, lambda p: "9" * 400), "refused"),
    "infinity in a band": (_cell(None, 10, lambda p: p.random.choice(["inf", "-inf", "1e999"])), "refused or works"),
    "hexadecimal in a band": (_cell(None, 10, lambda p: "0x1F"), "refused"),
    "a date that is none": (_cell(None, 3, lambda p: "2021-02-31"), "refused"),
    "a date of another form": (_cell(None, 3, lambda p: "31/12/21"), "refused or works"),
    "a decimal comma": (_cell(None, 1, lambda p: '"50,5"'), "refused"),
    "a field of a megabyte": (_cell(None, 0, lambda p: "x" * 1_000_000), "refused or works"),
    "a line of 100000 columns": (lambda t, p: ",".join(f"c{i}" for i in range(100_000)) + "\n", "refused"),
    "2400 rows": (lambda t, p: _quadruple(t), "works"),
    "only line feeds": (lambda t, p: "\n" * 100_000, "refused"),
    "only commas": (lambda t, p: "," * 10_000 + "\n", "refused"),
    "one column twice": (lambda t, p: t.replace("lat,lon", "lat,lat", 1), "refused or works"),
}

_VOTES: dict[str, tuple[Callable[[Place], str], Expect]] = {
    "no columns of ours": (lambda p: "a\tb\n1\t2\n", "refused"),
    "no rows": (lambda p: "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\n", "refused"),
    "text in votes": (
        lambda p: "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\n1\t50\t3\tgood\t1\t1,2\tx\n",
        "refused",
    ),
    "ids that match nothing": (
        lambda p: "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\nx\t50\t3\t5\t1\t1,2\tx\n",
        "refused",
    ),
    "votes not numbers": (
        lambda p: (
            "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\n"
            + "".join(f"point-{i}\t50\t3\tnan\tnan\t\t\n" for i in range(24))
        ),
        "refused",
    ),
    "votes infinite": (
        lambda p: (
            "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\n"
            + "".join(f"point-{i}\t{50 + i}\t{i}\tinf\t1\t1\t\n" for i in range(24))
        ),
        "refused",
    ),
    "votes all the same": (
        lambda p: (
            "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\n"
            + "".join(f"point-{i}\t{50 + i}\t{i}\t5\t0\t5\t\n" for i in range(24))
        ),
        "refused or works",
    ),
    "commas": (lambda p: "ID,Lat,Lon,Average,Variance,Votes,Geograph URI\n1,50,3,5,1,1,x\n", "refused"),
    "escapes": (lambda p: "\x1b[31m\tLat\n\x1b]0;t\x07\t5\n", "refused"),
    "latin-1": (
        lambda p: "ID\tLat\tLon\tAverage\tVariance\tVotes\tGeograph URI\n\udcff\t50\t3\t5\t1\t1\tx\n",
        "refused",
    ),
}

_PAIRS: dict[str, tuple[Callable[[Place], str], Expect]] = {
    "no columns of ours": (lambda p: "a,b\n1,2\n", "refused"),
    "no rows": (lambda p: "photo_id,lon,lat\n", "refused"),
    "text in lon": (lambda p: "photo_id,lon,lat\na,east,50\n", "refused"),
    "not numbers": (lambda p: "photo_id,lon,lat\na,nan,nan\n", "refused"),
    "infinite": (lambda p: "photo_id,lon,lat\na,inf,50\n", "refused"),
    "beyond the world": (lambda p: "photo_id,lon,lat\na,500,95\n", "refused"),
    "far away": (lambda p: "photo_id,lon,lat\na,-60,-60\n", "refused"),
    "photo twice": (lambda p: "photo_id,lon,lat\na,3,50\na,3,50\n", "refused"),
    "a date that is none": (lambda p: "photo_id,lon,lat,date\na,3,50,2018-99-99\n", "refused"),
}

_PHOTOS: dict[str, tuple[Callable[[Place], str], Expect]] = {
    "no column of ours": (lambda p: "path\na.jpg\n", "refused"),
    "no rows": (lambda p: "photo\n", "refused"),
    "a path that is missing": (lambda p: "photo\n\n\n", "refused"),
    "files that are not there": (lambda p: "photo\nnone.jpg\n", "refused"),
    "a text file": (lambda p: "photo\ntable.csv\n", "refused"),
    "a device": (lambda p: "photo\n/dev/zero\n", "refused"),
    "an address": (lambda p: f"photo\n{p.trap}/a.jpg\n", "refused"),
    "escapes": (lambda p: "photo\n\x1b[31m.jpg\n", "refused"),
    "NULs": (lambda p: "photo\na\x00b.jpg\n", "refused"),
}


def _points(name: str, edit: Edit, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        content = edit((place.base / "wide.csv").read_text(), place)
        (place.folder / "points.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return ["classify", "points.csv", "-p", "maize", "-p", "forest", "-o", "out/a.parquet"]

    return Case("CSV", f"CSV/points/{name}", build, expect)


def _broken(name: str, breakage: Callable[..., None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copy(place.base / "wide.csv", place.folder / "points.csv")
        breakage(place.folder / "points.csv", place)
        return ["classify", "points.csv", "-p", "maize", "-p", "forest", "-o", "out/a.parquet"]

    return Case("CSV", f"CSV/file/{name}", build, expect)


def _other(group: str, name: str, text: Callable[[Place], str], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        file = place.folder / ("votes.tsv" if group == "votes" else "table.csv")
        file.write_text(text(place), errors="surrogateescape")
        if group == "votes":
            return ["evaluate", "scenic", place.base / "labelled.parquet", "--votes", file.name]
        if group == "pairs":
            return ["data", "pair", place.base / "training.zarr", file.name, "-o", "out/pairs.csv"]
        return ["ground", "embed", file.name, "--tower", place.base / "clip", "-o", "out"]

    return Case("CSV", f"CSV/{group}/{name}", build, expect)


def cases() -> list[Case]:
    found = [_points(name, edit, expect) for name, (edit, expect) in _POINTS.items()]
    for group, table in (("votes", _VOTES), ("pairs", _PAIRS), ("photos", _PHOTOS)):
        found += [_other(group, name, text, expect) for name, (text, expect) in table.items()]
    found += [_broken(n, b, "no crash" if n == "cut short" else "refused") for n, b in BREAKAGES.items()]
    return [*found, *[_broken(f"changed bytes {i}", flip, "no crash") for i in range(6)]]
