"""Places for outputs that belong to somebody else, or cannot be written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from ..case import Case, Expect, Place

_COMMANDS: dict[str, Callable[[Place, str], Sequence[object]]] = {
    "map": lambda p, o: ["map", p.base / "cube", "-p", "maize", "-p", "forest", "-o", o],
    "embed-area": lambda p, o: ["embed-area", p.base / "cube", "-o", o],
    "ask": lambda p, o: ["ask", p.base / "store.zarr", "-p", "maize", "-p", "forest", "-o", o],
    "change": lambda p, o: ["change", p.base / "store.zarr", p.base / "store.zarr", "-o", o],
    "adapt": lambda p, o: [
        "adapt",
        p.base / "labelled.parquet",
        "--labels",
        "kind",
        "-p",
        "maize",
        "-p",
        "forest",
        "-o",
        o,
    ],
    "train": lambda p, o: ["train", _recipe(p), "-o", o, "--accelerator", "cpu"],
    "data sen4map": lambda p, o: ["data", "sen4map", p.base / "sen4map.h5", "-o", o],
    "data points": lambda p, o: ["data", "points", p.base / "wide.parquet", "--year", 2021, "-o", o],
    "data split": lambda p, o: [
        "data",
        "split",
        p.base / "training.zarr",
        "-o",
        o,
        "--split-block-deg",
        3,
        "--validation",
        0.3,
        "--test",
        0.2,
    ],
    "ground embed": lambda p, o: ["ground", "embed", p.base / "photos", "--tower", p.base / "clip", "-o", o],
    "evaluate suite": lambda p, o: [
        "evaluate",
        "suite",
        p.base / "labelled.parquet",
        "--labels",
        "kind",
        "-p",
        "maize",
        "-p",
        "forest",
        "--draws",
        20,
        "-o",
        o,
    ],
    "demo": lambda p, o: ["demo", "-o", o],
}
"""Commands that write a folder."""

_FILES: dict[str, Callable[[Place, str], Sequence[object]]] = {
    "classify": lambda p, o: ["classify", p.base / "wide.parquet", "-p", "maize", "-p", "forest", "-o", o],
    "embed": lambda p, o: ["embed", p.base / "wide.parquet", "-o", o],
}


def _recipe(place: Place) -> Path:
    path = place.folder / "recipe.yaml"
    path.write_text(
        "recipe: photos\nname: small\ntower: compact\nencoder: tiny\n"
        "encoder_options: {dim: 16, depth: 1, heads: 2, ffn_dim: 16}\n"
        f"data: {{series: {place.base}/training.zarr, ground: {place.base}/ground.pt}}\n"
        "split: {block_deg: 2.0, validation: 0.2, test: 0.1}\nobjective: {in_batch: true, bank_size: 8}\n"
        "epochs: 1\nbatch_size: 4\nprecision: 32-true\n"
    )
    return path


def _thesis(out: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    (out / "data").mkdir()
    (out / "data" / "measured.csv").write_text("a,b\n1,2\n")


def _a_file(out: Path) -> None:
    out.write_text("somebody's file")


def _link(out: Path) -> None:
    _thesis(out.with_name("elsewhere"))
    out.symlink_to("elsewhere")


def _hidden(out: Path) -> None:
    out.mkdir()
    (out / ".git").mkdir()
    (out / ".git" / "HEAD").write_text("ref: refs/heads/main")


def _foreign_config(out: Path) -> None:
    """A folder that looks like a checkpoint or head of another program."""
    out.mkdir()
    for name in ("config.json", "model.safetensors", "head.json", "provenance.json", "report.json", "zarr.json"):
        (out / name).write_text("{}")
    (out / "notes.txt").write_text("mine")


def _empty(out: Path) -> None:
    out.mkdir()


def _broken_link(out: Path) -> None:
    out.symlink_to("nowhere")


_PLACES: dict[str, tuple[Callable[[Path], None], Expect]] = {
    "a foreign folder": (_thesis, "refused"),
    "a foreign file": (_a_file, "refused"),
    "a link to a foreign folder": (_link, "refused"),
    "a folder of hidden files": (_hidden, "refused"),
    "files of our names that are not ours": (_foreign_config, "refused"),
    "an empty folder": (_empty, "works"),
}


_ADDING = ("map", "ask", "change", "train", "data split", "ground embed", "evaluate suite", "demo")
"""Commands that add files of their own names to a folder: the files of others stay, and only a name of theirs that is
taken is refused. The other commands write a folder as a whole."""

_COLLIDING = ("map", "ask", "change", "evaluate suite")
"""Those of them that would write one of the names of `_foreign_config`."""


def _folder_case(command: str, name: str, prepare: Callable[[Path], None], expect: Expect) -> Case:
    if command in _ADDING and not (name == "a foreign file" or (prepare is _foreign_config and command in _COLLIDING)):
        expect = "works"  # that no file of others changes is watched in every case

    def build(place: Place) -> Sequence[object]:
        out = place.folder / ("out.zarr" if command in ("embed-area", "data sen4map", "data points") else "out")
        prepare(out)
        return _COMMANDS[command](place, out.name)

    return Case("outputs", f"outputs/{command}/{name}", build, expect, writes=_WRITES, changes=())


_WRITES = (
    *("out", "out.zarr", "out.json", "out.manifest.jsonl", "out.zarr.json", "out.zarr.manifest.jsonl"),
    *("out.zarr.item.json", "elsewhere"),  # `out` may be a link to `elsewhere`
)


def _file_case(command: str, name: str, output: str, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        (place.folder / "folder.parquet").mkdir()
        (place.folder / "file").write_text("x")
        (place.folder / "loop").symlink_to("loop")
        return _FILES[command](place, output)

    return Case("outputs", f"outputs/{command}/{name}", build, expect, writes=("out", "new.parquet"))


def _beside(name: str, theirs: str, output: str, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        (place.folder / theirs).write_text('{"mine": true}')
        return _COMMANDS["embed-area"](place, output)

    bare = Path(output)
    allowed = (
        output,
        bare.with_suffix(".json").name,
        bare.with_suffix(".manifest.jsonl").name,
        f"{output}.json",
        f"{output}.manifest.jsonl",
        f"{output}.item.json",
    )
    return Case("outputs", f"outputs/beside/{name}", build, expect, writes=allowed)


def _input_is_output(command: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        shutil.copytree(place.base / "cube", place.folder / "cube")
        shutil.copytree(place.base / "store.zarr", place.folder / "store.zarr")
        if command == "map":
            return ["map", "cube", "-p", "maize", "-p", "forest", "-o", "cube"]
        if command == "ask":
            return ["ask", "store.zarr", "-p", "maize", "-p", "forest", "-o", "store.zarr"]
        return ["embed-area", "cube", "-o", "cube"]

    return Case("outputs", f"outputs/input as output/{command}", build, "refused")


def _unwritable(command: str, where: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        if where == "below a file":
            (place.folder / "file").write_text("x")
            return (_COMMANDS | _FILES)[command](place, "file/out.parquet" if command in _FILES else "file/out")
        if where == "a name of 300 characters":
            return (_COMMANDS | _FILES)[command](place, "x" * 300 + (".parquet" if command in _FILES else ""))
        return (_COMMANDS | _FILES)[command](place, "/proc/out.parquet" if command in _FILES else "/proc/out")

    return Case("outputs", f"outputs/{command}/{where}", build, "refused")


def cases() -> list[Case]:
    found = []
    for command in _COMMANDS:
        for name, (prepare, expect) in _PLACES.items():
            # What these two do where they may takes long, so that few cases let them.
            allowed = name in ("an empty folder", "a link to a foreign folder", "a folder of hidden files")
            if command in ("demo", "evaluate suite") and (
                allowed or (command == "demo" and prepare is _foreign_config)
            ):
                continue
            found.append(_folder_case(command, name, prepare, expect))
    for command in _FILES:
        for name, output, expect in (
            ("a folder of that name", "folder.parquet", "refused"),
            ("another format", "out.xlsx", "refused"),
            ("no suffix", "out", "refused"),
            ("a link to itself", "loop/out.parquet", "refused"),
            ("a new folder", "out/a/b/c.parquet", "works"),
            ("dots in the name", "out/a.b.c.parquet", "works"),
            ("escapes in the name", "out/\x1b[31m.xlsx", "refused"),
        ):
            found.append(_file_case(command, name, output, expect))  # type: ignore[arg-type]
    found += [
        _beside("a foreign farm.json", "farm.json", "farm.zarr", "refused or works"),
        _beside("a foreign farm.manifest.jsonl", "farm.manifest.jsonl", "farm.zarr", "refused or works"),
        _beside("a name with a dot", "flanders.json", "flanders.2018", "refused or works"),
    ]
    found += [_input_is_output(command) for command in ("map", "ask", "embed-area")]
    for command in ("map", "embed-area", "adapt", "data points", "classify", "embed", "evaluate suite", "train"):
        for where in ("below a file", "a name of 300 characters", "below /proc"):
            found.append(_unwritable(command, where))
    return found
