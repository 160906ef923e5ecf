"""Phrases and templates of the command line."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from ..bytes import HOSTILE_TEXT
from ..case import Case, Expect, Place

_PHRASES: dict[str, tuple[str, Expect]] = {
    "valid": ("maize in July", "works"),
    "an emoji": ("🌽 🌳", "refused or works"),
    "right to left": ("\u202egnivom\u202c غابة", "works"),
    "Chinese": ("玉米地", "refused or works"),
    "combining marks": ("e" + "\u0301" * 2000, "refused or works"),
    "empty": ("", "refused"),
    "spaces": (" \t ", "refused"),
    "a line feed": ("two\nlines", "works"),
    "escapes": (HOSTILE_TEXT.replace("\x00", ""), "refused or works"),
    "a bell": ("\x07", "refused or works"),
    "a control of Latin-1": ("a\x9b31m", "refused or works"),
    "a surrogate": ("a\udcff", "refused"),
    "surrogates": ("\udc80\udcfe", "refused"),
    "100000 characters": ("x" * 100_000, "refused or works"),
    "50000 words": ("forest " * 15_000, "refused or works"),
    "markup of rich": ("[bold red]maize[/nothing]", "works"),
    "markup of HTML": ("<img src=x onerror=alert(1)>", "refused or works"),
    "a template": ("{name} {0} {a name} %s ${HOME}", "refused or works"),
    "a path": ("../../../etc/passwd", "refused or works"),
    "slashes and dots": ("../", "refused or works"),
    "a zero-width space": ("\u200b", "refused or works"),
    "punctuation": ("?!.,", "refused or works"),
    "the word unknown": ("unknown", "refused or works"),
    "a dash": ("-", "refused or works"),
    "a number": ("42", "refused or works"),
}

_TEMPLATES: dict[str, tuple[str, Expect]] = {
    "valid": ("a photo of {a name}", "works"),
    "unknown field": ("a {thing}", "refused"),
    "attribute of a field": ("{name.__class__.__mro__}", "refused"),
    "index of a field": ("{name[0]}", "refused"),
    "width of a billion": ("{name:>1000000000}", "refused"),
    "conversion": ("{name!r:>99}", "refused"),
    "an open brace": ("{name} {", "refused or works"),
    "numbers": ("{0} {1} {name}", "refused or works"),
    "escapes": ("\x1b[31m{name}", "refused or works"),
    "empty": ("", "refused or works"),
    "a surrogate": ("{name} \udcff", "refused"),
    "100000 fields": ("{name} " * 15_000, "refused or works"),
    "unknown name": ("sattelite", "refused"),
    "a file": ("../canary/secret.yaml", "refused"),
}


def _classify(name: str, phrase: str, expect: Expect, command: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        if command == "map":
            shutil.copytree(place.base / "cube", place.folder / "cube")
            return ["map", "cube", "-p", phrase, "-p", "forest", "-o", "out"]
        shutil.copy(place.base / "wide.parquet", place.folder / "points.parquet")
        if command == "ask":
            return ["ask", place.base / "store.zarr", "-p", phrase, "-p", "forest", "-o", "out"]
        return ["classify", "points.parquet", "-p", phrase, "-p", "forest", "-o", "out/a.parquet"]

    return Case("phrases", f"phrases/{command}/{name}", build, expect)


def _template(name: str, template: str, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copy(place.base / "wide.parquet", place.folder / "points.parquet")
        return [
            "classify",
            "points.parquet",
            "-p",
            "maize",
            "-p",
            "forest",
            "--templates",
            template,
            "-o",
            "out/a.parquet",
        ]

    return Case("phrases", f"phrases/template/{name}", build, expect)


def _many(count: int, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copytree(place.base / "cube", place.folder / "cube")
        phrases = [part for i in range(count) for part in ("-p", f"thing {i} of {place.random.random():.3f}")]
        return ["map", "cube", *phrases, "-o", "out"]

    return Case("phrases", f"phrases/map/{count} phrases", build, expect)


def cases() -> list[Case]:
    found = [_classify(n, p, e, "classify") for n, (p, e) in _PHRASES.items()]
    few = (
        "valid",
        "right to left",
        "escapes",
        "a surrogate",
        "a control of Latin-1",
        "markup of HTML",
        "markup of rich",
        "a line feed",
        "slashes and dots",
    )
    found += [_classify(n, *_PHRASES[n], command) for command in ("map", "ask") for n in few]
    found += [_template(n, t, e) for n, (t, e) in _TEMPLATES.items()]
    return [*found, _many(60, "works"), _many(255, "refused")]
