"""Values of options that no command can use."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from ..case import Case, Expect, Place

_BAD_PERIODS = (
    "last summer",
    "2018..",
    "..2018",
    "2019..2018",
    "2018-13",
    "2018-02-30",
    "99999",
    "-2018",
    "",
    "2018-01-01T00:00",
    "0000",
    "\x1b[31m",
    "2018..2019..2020",
    "\udcff",
    "\uff12\uff10\uff11\uff18",
)

_POINTS: dict[str, tuple[Sequence[str], Expect]] = {
    **{f"period {text!r}": (("--period", text), "refused") for text in _BAD_PERIODS},
    **{f"year {text!r}": (("--year", text), "refused") for text in ("soon", "1", "-1", "1e3", "2031", str(10**30), "")},
    **{f"offset {text!r}": (("--offset-dn", text), "refused") for text in ("ten", "1.5", str(10**30), "-99999999999")},
    **{
        f"step {text!r}": (("--step", text), "refused")
        for text in ("0", "-5", "fortnight", "nan", str(10**9), str(10**30), "")
    },
    **{f"unknown below {text!r}": (("--unknown-below", text), "refused") for text in ("nan", "7", "-inf", "text")},
    "units of another kind": (("--units", "kelvin"), "refused"),
    "every of another kind": (("--every", "week"), "refused"),
    "an option that is none": (("--taxonmy", "x"), "refused"),
    "an option of escapes": (("--\x1b[31m", "x"), "refused"),
    "a surplus argument": (("more.parquet",), "refused"),
    "a surplus argument of escapes": (("\x1b[31m.parquet",), "refused"),
    "an option without a value": (("--checkpoint",), "refused"),
    "a checkpoint of escapes": (("--checkpoint", "\x1b[31m\x9b2J"), "refused"),
    "a checkpoint of a foreign folder": (("--checkpoint", "../canary"), "refused"),
    "a checkpoint of the hub": (("--checkpoint", "hf-hub:nobody/nothing"), "refused"),
    "a checkpoint of the hub with a path": (("--checkpoint", "hf-hub:../../canary"), "refused"),
    "a checkpoint of an address": (("--checkpoint", "http://127.0.0.1:9/model"), "refused"),
    "a checkpoint of a surrogate": (("--checkpoint", "\udcff"), "refused"),
    "a checkpoint of 100000 characters": (("--checkpoint", "x" * 100_000), "refused"),
    "a checkpoint of nothing": (("--checkpoint", ""), "refused or works"),
    "a head of a foreign folder": (("--head", "../canary"), "refused"),
    "a taxonomy of escapes": (("--taxonomy", "\x1b[31m"), "refused"),
    "prior correction": (("--prior-correction",), "works"),
    "strict": (("--strict",), "works"),
    "JSON": (("--json",), "works"),
}

_MAP: dict[str, tuple[Sequence[str], Expect]] = {
    **{f"block {text!r}": (("--block", text), "refused") for text in ("0", "-16", "17", "text")},
    **{f"workers {text!r}": (("--workers", text), "refused") for text in ("0", "-1", "text", str(10**30))},
    **{f"least clear {text!r}": (("--min-clear", text), "refused") for text in ("-1", "text", "70000", str(10**30))},
    **{
        f"baseline {text!r}": (("--provider", "esa", "--baseline", text), "refused")
        for text in ("4", "x", "99.99.99", "\x1b[31m")
    },
    "unknown provider": (("--provider", "\x1b[31mnasa"), "refused"),
    "unknown collection": (("--provider", "planetary-computer", "--collection", "\x1b[31m"), "refused or works"),
    "a scheduler that is none": (("--dask", "nowhere"), "refused"),
    "a scheduler of no workers": (("--dask", "local:0"), "refused"),
    "a scheduler of text": (("--dask", "local:many"), "refused"),
    "zones that are not there": (("--zones", "none.gpkg"), "refused"),
    "zones of escapes": (("--zones", "\x1b[31m.gpkg"), "refused"),
    "an area beside a cube": (("--aoi", "1,2,3,4"), "refused"),
    "a limit of clouds beside a cube": (("--max-cloud", "5"), "refused"),
    "valid": ((), "works"),
}

_OTHERS: dict[str, tuple[Sequence[str], Expect]] = {
    "no command": (("nothing",), "refused"),
    "a command of escapes": (("\x1b[31mmap",), "refused"),
    "a command of a surrogate": (("\udcff",), "refused"),
    "a command of 100000 characters": (("x" * 100_000,), "refused"),
    "info of nothing": (("info", "nowhere"), "refused"),
    "info of escapes": (("info", "\x1b[31m"), "refused"),
    "taxonomies of nothing": (("taxonomies", "show", "../nowhere/secret.yaml"), "refused"),
    "taxonomies of escapes": (("taxonomies", "show", "\x1b[31m"), "refused"),
    "export of a folder that is not there": (("export", "official", "nowhere", "-o", "out.pt"), "refused"),
    "push of a folder that is not there": (("hub", "push", "nowhere", "me/it"), "refused"),
    "push to a name that is none": (("hub", "push", "nowhere", "../../x"), "refused"),
    "compare of nothing": (("compare", "nowhere", "nowhere", "--data", "none.parquet", "--labels", "x"), "refused"),
    "train with a change that is none": (("train", "none.yaml", "--set", "a", "-o", "out"), "refused"),
    "train on no devices": (("train", "none.yaml", "--devices", "0", "-o", "out"), "refused"),
    "help": (("--help",), "works"),
    "version": (("--version",), "works"),
}

_SPLIT = {
    f"{option} {text!r}": ((option, text), "refused")
    for option in ("--split-block-deg", "--validation", "--test", "--gap", "--seed")
    for text in (("text", "1.5") if option == "--seed" else ("nan", "inf", "-1", "text"))
}


def _case(group: str, name: str, options: Sequence[str], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        if group == "points":
            shutil.copy(place.base / "wide.parquet", place.folder / "points.parquet")
            return ["classify", "points.parquet", "-p", "maize", "-p", "forest", "-o", "out/a.parquet", *options]
        if group == "map":
            return ["map", place.base / "cube", "-p", "maize", "-p", "forest", "-o", "out", *options]
        if group == "split":
            return ["data", "split", place.base / "training.zarr", "-o", "out", *options]
        return list(options)

    return Case("options", f"options/{group}/{name}", build, expect)


def cases() -> list[Case]:
    groups = (("points", _POINTS), ("map", _MAP), ("split", _SPLIT), ("others", _OTHERS))
    return [_case(group, name, options, expect) for group, table in groups for name, (options, expect) in table.items()]  # type: ignore[arg-type]
