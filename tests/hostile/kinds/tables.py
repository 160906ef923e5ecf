"""Point tables in Parquet: columns, types and values that no reader expects."""

from __future__ import annotations

import datetime as dt
import decimal
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from ..bytes import BREAKAGES, HOSTILE_TEXT, flip, flip_head
from ..case import Case, Expect, Place

Change = Callable[[Any, Place], Any]


def _band(place: Place) -> str:
    from timesenclip.bands import BANDS

    band = place.random.choice(BANDS)
    return f"OPTICAL-{band.name}-ts{place.random.randrange(12)}-{band.resolution_m}m"


def _row(place: Place) -> int:
    return place.random.randrange(6)


def _set(column: str | None, value: Callable[[Place], object]) -> Change:
    """One cell of a column (None: of a random band) becomes a value."""

    def change(frame: Any, place: Place) -> Any:
        name = column or _band(place)
        new = value(place)
        series = frame[name].astype(str if isinstance(new, str) else object)
        series.iloc[_row(place)] = new
        return frame.assign(**{name: series})

    return change


def _all(column: str | None, value: Callable[[Place], object]) -> Change:
    """A whole column becomes one value."""

    def change(frame: Any, place: Place) -> Any:
        return frame.assign(**{column or _band(place): [value(place)] * len(frame)})

    return change


def _bands_to(kind: str) -> Change:
    def change(frame: Any, _: Place) -> Any:
        return frame.astype({name: kind for name in frame if name.startswith("OPTICAL")})

    return change


def _shuffled(frame: Any, place: Place) -> Any:
    columns = list(frame)
    place.random.shuffle(columns)
    return frame[columns]


_WIDE: dict[str, tuple[Change, Expect]] = {
    "valid": (lambda f, _: f, "works"),
    "columns in another order": (_shuffled, "works"),
    "one row": (lambda f, _: f.iloc[:1], "works"),
    "an extra column": (lambda f, _: f.assign(note="fine"), "works"),
    "float64 bands": (_bands_to("float64"), "works"),
    "int64 bands": (_bands_to("int64"), "works"),
    "float16 bands": (_bands_to("float16"), "refused or works"),
    "a missing value": (_set(None, lambda p: None), "works"),
    "no rows": (lambda f, _: f.iloc[:0], "refused"),
    "no columns": (lambda f, _: f[[]], "refused"),
    "no rows and no columns": (lambda f, _: f.iloc[:0][[]], "refused"),
    "one band missing": (lambda f, p: f[[c for c in f if f"-{_band(p).split('-')[1]}-" not in c]], "refused or works"),
    "numbers of two sensors": (
        lambda f, p: f[[c for c in f if not any(f"-{band}-" in c for band in ("B8A", "B12"))]].rename(
            columns=lambda c: c.removeprefix("OPTICAL-")
        ),
        "refused",
    ),
    "bands of Landsat 4 to 7": (lambda f, p: f.rename(columns=lambda c: c.replace("OPTICAL-B0", "SR_B")), "refused"),
    "text in lat": (_all("lat", lambda p: p.random.choice(["north", "50,5", "", "NaN?"])), "refused"),
    "one text in lat": (_set("lat", lambda p: "x"), "refused"),
    "bytes in lat": (_all("lat", lambda p: b"\xff\x00"), "refused"),
    "lists in lat": (_all("lat", lambda p: [50.0, 1.0]), "refused"),
    "dicts in lat": (_all("lat", lambda p: {"deg": 50.0}), "refused"),
    "dates in lat": (_all("lat", lambda p: dt.datetime(2020, 1, 1)), "refused"),
    "booleans in lat": (_all("lat", lambda p: True), "refused or works"),
    "lat out of range": (_set("lat", lambda p: p.random.choice([91.0, -1e9, 1e300])), "refused or works"),
    "lon infinite": (_set("lon", lambda p: p.random.choice([float("inf"), float("-inf")])), "refused or works"),
    "lon missing everywhere": (_all("lon", lambda p: float("nan")), "refused or works"),
    "lat without lon": (lambda f, _: f.drop(columns="lon"), "refused or works"),
    "decimal lat": (_all("lat", lambda p: decimal.Decimal("50.5")), "refused or works"),
    "lists as sample ids": (_all("sample_id", lambda p: ["a", "b"]), "refused"),
    "dicts as sample ids": (_all("sample_id", lambda p: {"a": 1}), "refused"),
    "bytes as sample ids": (_all("sample_id", lambda p: b"\xff\xfe"), "refused or works"),
    "sample ids missing": (_all("sample_id", lambda p: None), "refused or works"),
    "floats as sample ids": (_all("sample_id", lambda p: p.random.random()), "refused or works"),
    "escapes in sample ids": (_all("sample_id", lambda p: HOSTILE_TEXT), "refused or works"),
    "very long sample ids": (_all("sample_id", lambda p: "x" * 100_000), "refused or works"),
    "one sample id for all": (_all("sample_id", lambda p: "same"), "refused or works"),
    "text in a band": (_all(None, lambda p: p.random.choice(["n/a", "12 DN", "\x1b[31m"])), "refused"),
    "lists in a band": (_all(None, lambda p: [1, 2]), "refused"),
    "dicts in a band": (_all(None, lambda p: {"a": 1}), "refused"),
    "bytes in a band": (_all(None, lambda p: b"12"), "refused"),
    "dates in a band": (_all(None, lambda p: dt.datetime(2020, 5, 5)), "refused"),
    "booleans in a band": (_all(None, lambda p: True), "refused or works"),
    "infinity in a band": (
        lambda f, p: _set(None, lambda q: float("inf"))(_bands_to("float64")(f, p), p),
        "refused or works",
    ),
    "a huge number in a band": (
        lambda f, p: _set(None, lambda q: 1e308)(_bands_to("float64")(f, p), p),
        "refused or works",
    ),
    "negative DN": (
        lambda f, p: _set(None, lambda q: -q.random.randint(1, 30000))(_bands_to("int64")(f, p), p),
        "refused or works",
    ),
    "all DN negative": (
        lambda f, p: _bands_to("int64")(f, p).assign(**{c: -500 for c in f if c.startswith("OPTICAL")}),
        "refused",
    ),
    "everything missing": (lambda f, p: f.assign(**{c: 65535 for c in f if c.startswith("OPTICAL")}), "refused"),
    "int64 bands near the limit": (
        lambda f, p: _set(None, lambda q: 2**62)(_bands_to("int64")(f, p), p),
        "refused or works",
    ),
    "start date is text": (
        _all("start_date", lambda p: p.random.choice(["soon", "2020-13-45", "", "0000-00-00"])),
        "refused",
    ),
    "start date is missing once": (_set("start_date", lambda p: None), "refused or works"),
    "start date is missing everywhere": (_all("start_date", lambda p: None), "refused"),
    "start date is a number": (_all("start_date", lambda p: p.random.choice([2020, -1, 10**18])), "refused or works"),
    "start date in the year 9999": (_all("start_date", lambda p: "9999-12-31"), "refused"),
    "start date in the year 1": (_all("start_date", lambda p: "0001-01-01"), "refused"),
    "start date is a list": (_all("start_date", lambda p: ["2020-01-01"]), "refused"),
    "start date with escapes": (_all("start_date", lambda p: HOSTILE_TEXT), "refused"),
    "column names of numbers": (lambda f, p: f.rename(columns={c: str(i) for i, c in enumerate(f)}), "refused"),
    "column name with escapes": (lambda f, p: f.rename(columns={"start_date": HOSTILE_TEXT}), "refused"),
    "band of step -1": (lambda f, p: f.assign(**{"OPTICAL-B02-ts-1-10m": 1}), "refused or works"),
    "band of step 99999999": (lambda f, p: f.assign(**{"OPTICAL-B02-ts99999999-10m": 1}), "refused"),
    "band of step 10**30": (lambda f, p: f.assign(**{f"OPTICAL-B02-ts{10**30}-10m": 1}), "refused"),
    "band at two resolutions": (lambda f, p: f.assign(**{"OPTICAL-B02-ts0-20m": 1}), "refused or works"),
    "unknown band": (lambda f, p: f.rename(columns=lambda c: c.replace("B11", "B99")), "refused"),
    "steps of one band missing": (lambda f, p: f.drop(columns=_band(p)), "refused or works"),
    "a column as long as a book": (lambda f, p: f.assign(**{"x" * 50_000: 1}), "refused or works"),
}

_LONG: dict[str, tuple[Change, Expect]] = {
    "valid": (lambda f, _: f, "works"),
    "no rows": (lambda f, _: f.iloc[:0], "refused"),
    "junk timestamps": (_all("timestamp", lambda p: p.random.choice(["soon", "", "2020-99-99"])), "refused"),
    "timestamps missing": (_all("timestamp", lambda p: None), "refused"),
    "a timestamp missing": (_set("timestamp", lambda p: None), "refused or works"),
    "timestamps with zones": (
        lambda f, _: f.assign(timestamp=f["timestamp"].dt.tz_localize("Asia/Tokyo")),
        "refused or works",
    ),
    "timestamps as numbers": (lambda f, _: f.assign(timestamp=f["timestamp"].astype("int64")), "refused or works"),
    "timestamps in the far future": (_all("timestamp", lambda p: "9999-01-01"), "refused"),
    "timestamps as lists": (_all("timestamp", lambda p: ["2020-01-01"]), "refused"),
    "every row twice": (lambda f, _: f.loc[f.index.repeat(2)], "refused"),
    "lists as sample ids": (_all("sample_id", lambda p: [1]), "refused"),
    "sample ids missing": (_all("sample_id", lambda p: None), "refused or works"),
    "rows in another order": (lambda f, p: f.sample(frac=1, random_state=p.random.randrange(99)), "works"),
    "a point in two places": (_set("lat", lambda p: 10.0), "refused or works"),
    "text in a band": (_all("S2-L2A-B04", lambda p: "x"), "refused"),
}


def _case(layout: str, name: str, change: Change, expect: Expect, command: Sequence[str]) -> Case:
    def build(place: Place) -> Sequence[object]:
        import pandas as pd

        frame = change(pd.read_parquet(place.base / f"{layout}.parquet"), place)
        frame.to_parquet(place.folder / "points.parquet", index=False)
        return command

    return Case("tables", f"tables/{layout}/{command[0]}/{name}", build, expect)


def _broken(name: str, breakage: Callable[..., None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copy(place.base / "wide.parquet", place.folder / "points.parquet")
        breakage(place.folder / "points.parquet", place)
        return ["classify", "points.parquet", "-p", "maize", "-p", "forest", "-o", "out/answer.parquet"]

    return Case("tables", f"tables/file/{name}", build, expect)


_ADAPT: dict[str, tuple[Change, Expect]] = {
    "valid": (lambda f, _: f, "works"),
    "labels missing": (_all("kind", lambda p: None), "refused"),
    "labels as lists": (_all("kind", lambda p: ["maize"]), "refused"),
    "labels as dicts": (_all("kind", lambda p: {"maize": 1}), "refused"),
    "labels as bytes": (_all("kind", lambda p: b"\xff"), "refused"),
    "labels with escapes": (_all("kind", lambda p: HOSTILE_TEXT), "refused"),
    "one label": (_all("kind", lambda p: "maize"), "refused"),
    "no label column": (lambda f, _: f.drop(columns="kind"), "refused"),
    "labels very long": (_all("kind", lambda p: "x" * 100_000), "refused"),
    "labels not finite": (_all("kind", lambda p: float("inf")), "refused"),
    "coordinates missing": (lambda f, _: f.assign(lat=float("nan"), lon=float("nan")), "refused or works"),
    "coordinates constant": (lambda f, _: f.assign(lat=50.0, lon=3.0), "refused or works"),
}


def _named_twice(command: Sequence[str]) -> Case:
    def build(place: Place) -> Sequence[object]:
        import pyarrow.parquet as pq

        table = pq.read_table(place.base / "wide.parquet")
        old = place.random.choice(["lat", "sample_id", "start_date"])
        names = ["lon" if name == old else name for name in table.column_names]
        pq.write_table(table.rename_columns(names), place.folder / "points.parquet")
        return command

    return Case("tables", "tables/file/a column named twice", build, "refused or works")


def _row_groups(rows: int, each: int, command: Sequence[str]) -> Case:
    """Very many tiny row groups: memory may not grow with their number."""

    def build(place: Place) -> Sequence[object]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(place.base / "wide.parquet")
        many = pa.concat_tables([table] * (rows // len(table)))
        pq.write_table(many, place.folder / "points.parquet", row_group_size=each)
        return command

    return Case("tables", f"tables/file/{rows} rows in groups of {each}", build, "works")


def _labelled(name: str, change: Change, expect: Expect, command: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        import pandas as pd

        change(pd.read_parquet(place.base / "labelled.parquet"), place).to_parquet(place.folder / "points.parquet")
        options = ["points.parquet", "--labels", "kind", "-p", "maize", "-p", "forest"]
        if command == "adapt":
            return ["adapt", *options, "-o", "out"]
        if command == "compare":
            checkpoint = place.base / "checkpoint"
            return ["compare", "default", checkpoint, "--data", *options, "--draws", 20]
        return ["evaluate", "suite", *options, "--draws", 20]

    return Case("tables", f"tables/labelled/{command}/{name}", build, expect)


def cases() -> list[Case]:
    classify = ["classify", "points.parquet", "-p", "maize", "-p", "forest", "-o", "out/answer.parquet"]
    embed = ["embed", "points.parquet", "-o", "out/vectors.parquet"]
    data = ["data", "points", "points.parquet", "--year", "2021", "-o", "out/store.zarr"]
    found = [_case("wide", name, change, expect, classify) for name, (change, expect) in _WIDE.items()]
    found += [_case("long", name, change, expect, classify) for name, (change, expect) in _LONG.items()]
    few = (
        "valid",
        "no rows",
        "text in lat",
        "lists as sample ids",
        "escapes in sample ids",
        "lists in a band",
        "infinity in a band",
    )
    found += [_case("wide", name, *_WIDE[name], embed) for name in few]
    found += [_case("wide", name, *_WIDE[name], data) for name in (*few, "lon missing everywhere", "lat without lon")]
    found += [_case("long", name, *_LONG[name], data) for name in ("valid", "no rows", "junk timestamps")]
    for command in ("adapt", "evaluate"):
        for name, (change, expect) in _ADAPT.items():
            # The recall of a single label can be measured; the report says that nothing can be learned from it.
            one = command == "evaluate" and name == "one label"
            found.append(_labelled(name, change, "refused or works" if one else expect, command))
    found += [_labelled(name, *_ADAPT[name], "compare") for name in ("valid", "labels missing", "labels as lists")]
    found += [_named_twice(classify), _row_groups(1500, 1, classify)]
    found += [_broken(name, breakage, "refused") for name, breakage in BREAKAGES.items()]
    found += [_broken(f"changed bytes {i}", flip, "no crash") for i in range(8)]
    found += [_broken(f"changed header {i}", flip_head, "no crash") for i in range(4)]
    return found
