"""YAML: taxonomies, recipes, sweeps and label maps; and phrases and templates given as options."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..bytes import BREAKAGES, HOSTILE_TEXT
from ..case import Case, Expect, Place

Text = Callable[[Place], str | bytes]


def _bomb(levels: int = 12) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    """Merge keys that double at each level."""
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}" for i in range(1, 25)]
    return "\n".join(lines)


_VALID = "name: mine\nclasses:\n  - name: maize\n  - name: forest\n"

_ANY: dict[str, tuple[Text, Expect]] = {
    "an alias bomb": (lambda _: _bomb(), "refused"),
    "a bomb of merge keys": (lambda _: _merge_bomb(), "refused"),
    "an alias of itself": (lambda _: "a: &a [*a]\n", "refused"),
    "an alias as root": (lambda _: "&a [*a]", "refused"),
    "brackets within brackets": (lambda p: "a: " + "[" * p.random.randint(3000, 9000), "refused"),
    "closed brackets within brackets": (lambda _: "a: " + "[" * 5000 + "]" * 5000, "refused"),
    "blocks within blocks": (lambda _: "\n".join(" " * i + "a:" for i in range(1500)), "refused"),
    "an integer of 10000 digits": (lambda _: "name: " + "9" * 10_000, "refused"),
    "an integer in base 60": (lambda _: "name: 1" + ":59" * 4000, "refused"),
    "a date that is none": (lambda p: f"name: 2020-{p.random.randint(13, 99)}-45", "refused"),
    "a time that is none": (lambda _: "name: 2020-01-01T99:99:99Z", "refused"),
    "latin-1": (lambda _: "name: forêt\nclasses: [{name: é}]".encode("latin-1"), "refused"),
    "utf-16": (lambda _: _VALID.encode("utf-16"), "refused or works"),
    "utf-16 without a mark": (lambda _: _VALID.encode("utf-16-le"), "refused"),
    "utf-32": (lambda _: _VALID.encode("utf-32"), "refused"),
    "a tag of Python": (lambda _: "!!python/object/apply:os.system ['touch pwned']", "refused"),
    "a tag of Python in a value": (lambda _: "name: !!python/name:os.system", "refused"),
    "an unknown tag": (lambda _: "name: !secret ../canary/secret.yaml", "refused"),
    "binary": (lambda _: "name: !!binary aGVsbG8=!!", "refused"),
    "a set": (lambda _: "!!set {a, b}", "refused"),
    "pairs": (lambda _: "!!pairs [a: 1, a: 2]", "refused"),
    "several documents": (lambda _: _VALID + "---\n" + _VALID, "refused"),
    "control characters": (lambda _: HOSTILE_TEXT, "refused"),
    "control characters, escaped": (lambda _: '"\\e[31mred\\e]0;title\\a": "\\x9b2J"', "refused"),
    "a key that is a list": (lambda _: "? [a, b]\n: c", "refused"),
    "a key that is not text": (lambda _: "1: 2\nnull: 3\ntrue: 4", "refused"),
    "tabs": (lambda _: "a:\n\t- b", "refused"),
    "nothing but a comment": (lambda _: "# nothing\n", "refused"),
    "one word": (lambda _: "word", "refused"),
    "a list": (lambda _: "- a\n- b\n", "refused"),
    "a number": (lambda _: "12", "refused"),
    "null": (lambda _: "~", "refused"),
    "a line of a megabyte": (lambda _: "name: " + "x" * 1_000_000, "refused"),
    "20 megabytes": (lambda _: "a: b\n" * 4_000_000, "refused"),
    "a million keys": (lambda _: "{" + ", ".join(f"k{i}: 1" for i in range(300_000)) + "}", "refused"),
    "a merge of a number": (lambda _: "<<: 1\nname: x", "refused"),
    "surrogates": (lambda _: b"name: \xed\xa0\x80", "refused"),
    "escaped surrogates": (lambda _: 'name: "\\ud800"', "refused"),
    "an infinite number": (lambda _: "name: .inf", "refused"),
}
"""Refused by every reader of YAML."""

_TAXONOMY: dict[str, tuple[Text, Expect]] = {
    "valid": (lambda _: _VALID, "works"),
    "a byte order mark": (lambda _: b"\xef\xbb\xbf" + _VALID.encode(), "refused or works"),
    "line ends of Windows": (lambda _: _VALID.replace("\n", "\r\n"), "works"),
    "no classes": (lambda _: "name: x\nclasses: []", "refused"),
    "a class twice": (lambda _: "name: x\nclasses: [{name: a}, {name: A}]", "refused"),
    "a class without a name": (lambda _: "name: x\nclasses: [{code: '1'}]", "refused"),
    "a name that YAML reads as false": (lambda _: "name: x\nclasses: [{name: NO}]", "refused"),
    "escapes in a name": (lambda _: 'name: x\nclasses: [{name: "\\e[31mred"}, {name: b}]', "refused or works"),
    "escapes in an unknown key": (lambda _: 'name: x\nclasses: [{name: a, "\\e[31m": b}]', "refused"),
    "a colour that is none": (lambda _: "name: x\nclasses: [{name: a, colour: red}]", "refused"),
    "classes as a dictionary": (lambda _: "name: x\nclasses: {a: b}", "refused"),
    "classes as text": (lambda _: "name: x\nclasses: abc", "refused"),
    "300 classes": (
        lambda _: "name: x\nclasses:\n" + "".join(f"- name: c{i}\n" for i in range(300)),
        "refused or works",
    ),
    "a name of 100000 characters": (
        lambda _: "name: x\nclasses: [{name: b}, {name: " + "a" * 100_000 + "}]",
        "refused or works",
    ),
    "a prompt of 100000 words": (
        lambda _: "name: x\nclasses: [{name: b}, {name: c, prompts: [" + "a " * 100_000 + "]}]",
        "refused or works",
    ),
    "names with slashes": (lambda _: "name: ../../x\nclasses: [{name: ../a}, {name: /etc/b}]", "refused or works"),
    "markup in a name": (
        lambda _: "name: x\nclasses: [{name: '<script>alert(1)</script>'}, {name: '[red]b[/red]'}]",
        "works",
    ),
    "an aliased class": (lambda _: "name: x\nclasses: [&a {name: a}, *a]", "refused"),
}

_RECIPE: dict[str, tuple[Text, Expect]] = {
    "no kind": (lambda _: "name: x", "refused"),
    "unknown kind": (lambda _: 'recipe: "\\e[31mx"', "refused"),
    "kind is a list": (lambda _: "recipe: [photos]", "refused"),
    "unknown key": (lambda _: 'recipe: photos\nname: x\ndata: {series: a, "\\e[2J": 1}', "refused"),
    "depth of a million": (lambda _: "recipe: field-notes\nname: x\nencoder_options: {depth: 1000000}", "refused"),
    "dim of a billion": (lambda _: "recipe: field-notes\nname: x\nencoder_options: {dim: 1000000000}", "refused"),
    "unknown encoder option": (
        lambda _: "recipe: field-notes\nname: x\nencoder_options: {eval: 'os.system'}",
        "refused",
    ),
    "negative depth": (lambda _: "recipe: field-notes\nname: x\nencoder_options: {depth: -1}", "refused"),
    "heads of zero": (lambda _: "recipe: field-notes\nname: x\nencoder_options: {heads: 0}", "refused"),
    "dim is text": (lambda _: "recipe: field-notes\nname: x\nencoder_options: {dim: wide}", "refused"),
    "encoder options with a list as key": (
        lambda _: "recipe: field-notes\nname: x\nencoder_options: {? [a] : 1}",
        "refused",
    ),
    "batch size of 10**18": (lambda _: f"recipe: field-notes\nname: x\nbatch_size: {10**18}", "refused"),
    "steps not finite": (lambda _: "recipe: field-notes\nname: x\nsteps: .inf", "refused"),
    "learning rate not a number": (
        lambda _: "recipe: field-notes\nname: x\noptimiser: {learning_rate: .nan}",
        "refused",
    ),
    "seed of 10**30": (lambda _: f"recipe: field-notes\nname: x\nseed: {10**30}", "refused"),
    "series that is not there": (
        lambda _: "recipe: photos\nname: x\ntower: compact\ndata: {series: none.zarr, ground: none.pt}",
        "refused",
    ),
    "series of a device": (
        lambda _: "recipe: photos\nname: x\ntower: compact\ndata: {series: /dev/zero, ground: /dev/zero}",
        "refused",
    ),
    "a tower that is not there": (lambda _: "recipe: field-notes\nname: x\ntower: ../canary", "refused"),
    "a world that is not there": (
        lambda _: "recipe: field-notes\nname: x\nworld: {real: nowhere, simulated: 64}",
        "refused",
    ),
    "simulated places of 10**12": (
        lambda _: f"recipe: field-notes\nname: x\nworld: {{simulated: {10**12}}}",
        "refused",
    ),
}

_SWEEP: dict[str, tuple[Text, Expect]] = {
    "no data": (lambda _: "name: x\nlabels: kind\ndata: []", "refused"),
    "data that is not there": (lambda _: "name: x\nlabels: kind\ndata: [none.parquet]", "refused"),
    "months of a thousand": (
        lambda _: "name: x\nlabels: kind\ndata: [points.parquet]\nprompts: [maize, forest]\nmonths_kept: [1000]",
        "refused or works",
    ),
    "negative seeds": (
        lambda _: "name: x\nlabels: kind\ndata: [points.parquet]\nprompts: [maize, forest]\nseeds: [-5]",
        "refused",
    ),
    "unknown checkpoint": (
        lambda _: 'name: x\nlabels: kind\ndata: [points.parquet]\nprompts: [maize, forest]\ncheckpoints: ["\\e[31m"]',
        "refused",
    ),
    "a name with slashes": (
        lambda _: "name: ../../x\nlabels: kind\ndata: [points.parquet]\nprompts: [maize, forest]\nmonths_kept: [12]",
        "refused or works",
    ),
    "labels that are not there": (
        lambda _: "name: x\nlabels: none\ndata: [points.parquet]\nprompts: [maize, forest]",
        "refused",
    ),
    "recipe that is not there": (
        lambda _: "name: x\nlabels: kind\ndata: [points.parquet]\ntrain: {recipe: none.yaml}",
        "refused",
    ),
    "recipe of a foreign file": (
        lambda _: "name: x\nlabels: kind\ndata: [points.parquet]\ntrain: {recipe: /dev/zero}",
        "refused",
    ),
}

_MAPPING: dict[str, tuple[Text, Expect]] = {
    "valid": (lambda _: "maize: maize\nforest: forest\n", "works"),
    "values are lists": (lambda _: "maize: [maize]\nforest: forest\n", "refused"),
    "values are numbers": (lambda _: "maize: 1\nforest: 2\n", "refused"),
    "values are null": (lambda _: "maize: ~\nforest: ~\n", "refused"),
    "empty": (lambda _: "{}", "refused"),
    "unknown classes": (lambda _: 'maize: "\\e[31mred"\nforest: b\n', "refused"),
    "nested": (lambda _: "a: {b: {c: {d: e}}}\n", "refused"),
}


def _case(
    group: str, name: str, text: Text, expect: Expect, file: str, command: Sequence[object], labelled: bool = False
) -> Case:
    def build(place: Place) -> Sequence[object]:
        content = text(place)
        raw = content if isinstance(content, bytes) else content.encode("utf-8", errors="surrogatepass")
        (place.folder / file).write_bytes(raw)
        return _with_points(place, command, labelled)

    return Case("YAML", f"YAML/{group}/{name}", build, expect)


def _with_points(place: Place, command: Sequence[object], labelled: bool) -> Sequence[object]:
    import shutil

    if "points.parquet" in command or labelled:
        shutil.copy(place.base / "labelled.parquet", place.folder / "points.parquet")
    return command


def _broken(group: str, name: str, file: str, valid: str, command: Sequence[object]) -> Case:
    def build(place: Place) -> Sequence[object]:
        (place.folder / file).write_text(valid)
        if name != "cut short":  # a part of YAML may be whole
            BREAKAGES[name](place.folder / file, place)
        else:
            (place.folder / file).write_text('name: "never closed')
        return _with_points(place, command, False)

    return Case("YAML", f"YAML/{group}/{name}", build, "refused")


def cases() -> list[Case]:
    taxonomy = ["classify", "points.parquet", "-t", "classes.yaml", "-o", "out/a.parquet"]
    shown = ["taxonomies", "show", "classes.yaml"]
    train = ["train", "recipe.yaml", "-o", "out", "--accelerator", "cpu"]
    plan = ["train", "recipe.yaml", "--dry-run"]
    sweep = ["evaluate", "sweep", "sweep.yaml", "-o", "out"]
    mapping = [
        "evaluate",
        "suite",
        "points.parquet",
        "--labels",
        "kind",
        "-p",
        "maize",
        "-p",
        "forest",
        "--draws",
        20,
        "--mapping",
        "map.yaml",
    ]
    found = [_case("taxonomy", n, t, e, "classes.yaml", taxonomy) for n, (t, e) in {**_ANY, **_TAXONOMY}.items()]
    found += [
        _case("taxonomy shown", n, *_TAXONOMY[n], "classes.yaml", shown)
        for n in ("valid", "escapes in a name", "markup in a name")
    ]
    found += [_case("recipe", n, t, e, "recipe.yaml", train) for n, (t, e) in {**_ANY, **_RECIPE}.items()]
    found += [
        _case("recipe planned", n, *_RECIPE[n], "recipe.yaml", plan)
        for n in ("depth of a million", "negative depth", "series that is not there")
    ]
    found += [_case("sweep", n, t, e, "sweep.yaml", sweep, True) for n, (t, e) in {**_ANY, **_SWEEP}.items()]
    found += [_case("label map", n, t, e, "map.yaml", mapping) for n, (t, e) in {**_ANY, **_MAPPING}.items()]
    for name in BREAKAGES:
        found.append(_broken("taxonomy file", name, "classes.yaml", _VALID, taxonomy))
    for name in ("empty file", "random bytes", "a pipe", "a folder", "an endless device"):
        found.append(_broken("recipe file", name, "recipe.yaml", "recipe: photos", train))
        found.append(_broken("sweep file", name, "sweep.yaml", "name: x", sweep))
        found.append(_broken("label map file", name, "map.yaml", "a: b", mapping))
    return found
