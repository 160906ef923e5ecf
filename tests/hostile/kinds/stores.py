"""Stores: of embeddings, of training data and of photographs' vectors; and manifests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bytes import BREAKAGES, HOSTILE_TEXT, cut, nested_json
from ..case import Case, Expect, Place
from .cubes import edited

Change = Callable[[Path, Place], object]


def _info(edit: Callable[[dict[str, Any]], object]) -> Change:
    return edited("zarr.json", lambda c: edit(c["attributes"]["timesenclip"]))


def _array(name: str, make: Callable[[np.ndarray, Place], Any]) -> Change:
    def change(root: Path, place: Place) -> None:
        import zarr

        array = zarr.open_group(root, mode="r+")[name]
        array[...] = make(np.array(array[...]), place)

    return change


def _chunk(name: str, breakage: Change) -> Change:
    def change(root: Path, place: Place) -> None:
        files = sorted(path for path in (root / name).rglob("*") if path.is_file() and path.name != "zarr.json")
        breakage(place.random.choice(files), place)

    return change


_EMBEDDINGS: dict[str, tuple[Change, Expect]] = {
    "valid": (lambda r, p: None, "works"),
    "no metadata": (lambda r, p: (r / "zarr.json").unlink(), "refused"),
    "metadata of text": (lambda r, p: (r / "zarr.json").write_text("x"), "refused"),
    "metadata nested": (lambda r, p: (r / "zarr.json").write_text(nested_json(100_000)), "refused"),
    "attributes missing": (edited("zarr.json", lambda c: c.update(attributes={})), "refused"),
    "attributes are a list": (edited("zarr.json", lambda c: c["attributes"].update(timesenclip=[1])), "refused"),
    "unfinished": (edited("zarr.json", lambda c: c["attributes"].update(timesenclip_status="\x1b[31m")), "refused"),
    "version 99": (_info(lambda i: i.update(format_version=99)), "refused"),
    "version of text": (_info(lambda i: i.update(format_version="\x1b[31m")), "refused"),
    "another digest": (_info(lambda i: i.update(digest="\x1b[31m")), "refused or works"),
    "unknown tower": (_info(lambda i: i.update(tower="nowhere")), "refused"),
    "tower of a foreign folder": (_info(lambda i: i.update(tower="../canary")), "refused"),
    "tower of escapes": (_info(lambda i: i.update(tower=HOSTILE_TEXT)), "refused"),
    "tower of the hub": (_info(lambda i: i.update(tower="hf-hub:nobody/nothing")), "refused"),
    "temperature of zero": (_info(lambda i: i["calibration"].update(temperature=0)), "refused"),
    "temperature not a number": (_info(lambda i: i["calibration"].update(temperature=float("nan"))), "refused"),
    "shape of a million millions": (_info(lambda i: i.update(shape=[1 << 40, 1 << 40])), "refused"),
    "negative shape": (_info(lambda i: i.update(shape=[-16, 16])), "refused"),
    "another shape": (_info(lambda i: i.update(shape=[32, 32])), "refused"),
    "dims of a million": (_info(lambda i: i.update(dims=1_000_000)), "refused"),
    "dims of zero": (_info(lambda i: i.update(dims=0)), "refused"),
    "other dims": (_info(lambda i: i.update(dims=128)), "refused"),
    "block of zero": (_info(lambda i: i.update(block=0)), "refused"),
    "negative block": (_info(lambda i: i.update(block=-16)), "refused"),
    "block of 17": (_info(lambda i: i.update(block=17)), "refused or works"),
    "block of a billion": (_info(lambda i: i.update(block=1 << 30)), "refused or works"),
    "a CRS that is none": (_info(lambda i: i.update(crs="\x1b[31m")), "refused"),
    "a transform of five numbers": (_info(lambda i: i.update(transform=[1, 2, 3, 4, 5])), "refused"),
    "a transform of zeros": (_info(lambda i: i.update(transform=[0, 0, 0, 0, 0, 0])), "refused"),
    "a transform not finite": (_info(lambda i: i.update(transform=[float("nan")] * 6)), "refused"),
    "an unknown key": (_info(lambda i: i.update({"\x1b[2J": 1})), "refused"),
    "a period of text": (_info(lambda i: i.update(period="\x1b[31m")), "refused or works"),
    "scale not a number": (_array("scale", lambda v, p: np.full_like(v, np.nan)), "refused or works"),
    "scale infinite": (_array("scale", lambda v, p: np.full_like(v, np.inf)), "refused or works"),
    "scale negative": (_array("scale", lambda v, p: -np.ones_like(v)), "refused or works"),
    "scale huge": (_array("scale", lambda v, p: np.full_like(v, 3e38)), "refused or works"),
    "nothing seen": (_array("scale", lambda v, p: np.zeros_like(v)), "refused or works"),
    "vectors missing": (lambda r, p: shutil.rmtree(r / "vectors"), "refused"),
    "vectors without chunks": (lambda r, p: shutil.rmtree(r / "vectors" / "c"), "refused or works"),
    "vectors of another type": (edited("vectors/zarr.json", lambda c: c.update(data_type="float64")), "refused"),
    "vectors of a huge shape": (
        edited("vectors/zarr.json", lambda c: c.update(shape=[1 << 40, 1 << 40, 256])),
        "refused or works",
    ),
    "a chunk cut short": (_chunk("vectors", cut), "refused"),
    "a chunk of random bytes": (_chunk("scale", BREAKAGES["random bytes"]), "refused"),
    "an empty chunk": (_chunk("vectors", BREAKAGES["empty file"]), "refused"),
    "a chunk that is a pipe": (_chunk("vectors", BREAKAGES["a pipe"]), "refused"),
    "a chunk that is a folder": (_chunk("scale", BREAKAGES["a folder"]), "refused"),
    "an endless chunk": (_chunk("scale", BREAKAGES["an endless device"]), "refused"),
}

_OWN = ("out",)


def _embeddings(name: str, change: Change, expect: Expect, command: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        change(Path(shutil.copytree(place.base / "store.zarr", place.folder / "store.zarr")), place)
        if command == "change":
            return ["change", place.base / "store.zarr", "store.zarr", "-p", "maize", "-p", "forest", "-o", "out"]
        return ["ask", "store.zarr", "-p", "maize", "-p", "forest", "-o", "out"]

    return Case("stores", f"stores/{command}/{name}", build, expect, writes=_OWN)


_MANIFESTS: dict[str, tuple[Callable[[str, Place], str | bytes], Expect]] = {
    "unchanged": (lambda t, p: t, "refused or works"),
    "empty": (lambda t, p: "", "refused or works"),
    "another file": (lambda t, p: "my notes\n", "refused"),
    "random bytes": (lambda t, p: p.random.randbytes(500), "refused"),
    "nested": (lambda t, p: nested_json(50_000) + "\n", "refused"),
    "a list": (lambda t, p: "[]\n", "refused"),
    "another kind": (lambda t, p: t.replace('"embed-area"', '"\\u001b[31m"', 1), "refused"),
    "another job": (lambda t, p: t.replace('"EPSG:32631"', '"\\u001b[31m"', 1), "refused"),
    "a key twice": (lambda t, p: t + t.splitlines()[-1] + "\n", "refused or works"),
    "a last line cut short": (lambda t, p: t[:-40], "refused or works"),
    "a piece of a number": (lambda t, p: t + '{"kind": "done", "key": 7}\n', "refused"),
    "a piece of escapes": (
        lambda t, p: t + '{"kind": "failed", "key": "\\u001b[31m", "facts": {"error": "\\u001b[2J"}}\n',
        "refused or works",
    ),
    "utf-16": (lambda t, p: t.encode("utf-16"), "refused"),
    "a megabyte without a line feed": (lambda t, p: "x" * 1_000_000, "refused or works"),
}


def _manifest(name: str, text: Callable[[str, Place], str | bytes], expect: Expect) -> Case:
    """The same command again, on a store whose record was changed."""

    def build(place: Place) -> Sequence[object]:
        for part in place.base.glob("store.*"):
            copy = shutil.copytree if part.is_dir() else shutil.copy
            copy(part, place.folder / part.name)
        record = next(place.folder.glob("store*.manifest.jsonl"), place.folder / "store.manifest.jsonl")
        content = text(record.read_text() if record.exists() else "{}\n{}\n", place)
        record.write_bytes(content if isinstance(content, bytes) else content.encode())
        return ["embed-area", place.base / "cube", "-o", "store.zarr"]

    beside = ("store.zarr", "store.json", "store.manifest.jsonl", "store.zarr.json", "store.zarr.manifest.jsonl")
    return Case("stores", f"stores/manifest/{name}", build, expect, writes=beside, changes=beside)


def _index(edit: Callable[[Any, Place], Any]) -> Change:
    def change(root: Path, place: Place) -> None:
        import pandas as pd

        edit(pd.read_parquet(root / "index.parquet"), place).to_parquet(root / "index.parquet")

    return change


def _attributes(edit: Callable[[dict[str, Any]], object]) -> Change:
    return edited("zarr.json", lambda c: edit(c["attributes"]))


_TRAINING: dict[str, tuple[Change, Expect]] = {
    "valid": (lambda r, p: None, "works"),
    "no index": (lambda r, p: (r / "index.parquet").unlink(), "refused"),
    "an index of text": (lambda r, p: (r / "index.parquet").write_text("x"), "refused"),
    "an index of no rows": (_index(lambda f, p: f.iloc[:0]), "refused"),
    "an index without rows' numbers": (_index(lambda f, p: f.drop(columns="row")), "refused or works"),
    "rows beyond the arrays": (_index(lambda f, p: f.assign(row=10**9)), "refused or works"),
    "negative rows": (_index(lambda f, p: f.assign(row=-1)), "refused or works"),
    "rows of text": (_index(lambda f, p: f.assign(row="x")), "refused or works"),
    "ids of lists": (_index(lambda f, p: f.assign(sample_id=[[1]] * len(f))), "refused"),
    "lon of text": (_index(lambda f, p: f.assign(lon="east")), "refused"),
    "lon not a number": (_index(lambda f, p: f.assign(lon=float("nan"))), "refused"),
    "all at one place": (_index(lambda f, p: f.assign(lon=3.0, lat=50.0)), "refused or works"),
    "months of text": (_index(lambda f, p: f.assign(first_month="soon")), "refused or works"),
    "version 99": (_attributes(lambda a: a.update(format_version=99)), "refused"),
    "no bands": (_attributes(lambda a: a.update(bands=[])), "refused or works"),
    "bands of numbers": (_attributes(lambda a: a.update(bands=7)), "refused or works"),
    "steps of a million": (_attributes(lambda a: a.update(steps=1_000_000)), "refused or works"),
    "patch of text": (_attributes(lambda a: a.update(patch_size="\x1b[31m")), "refused or works"),
    "arrays missing": (lambda r, p: shutil.rmtree(r / "dn"), "refused"),
    "an array of a huge shape": (
        edited("dn/zarr.json", lambda c: c.update(shape=[1 << 40, 12, 10])),
        "refused or works",
    ),
    "a chunk cut short": (_chunk("dn", cut), "no crash"),
    "a chunk that is a pipe": (_chunk("dn", BREAKAGES["a pipe"]), "no crash"),
}


def _training(name: str, change: Change, expect: Expect, command: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        change(Path(shutil.copytree(place.base / "training.zarr", place.folder / "t.zarr")), place)
        if command == "split":
            return ["data", "split", "t.zarr", "-o", "out", "--split-block-deg", 3, "--validation", 0.3, "--test", 0.2]
        (place.folder / "recipe.yaml").write_text(
            "recipe: photos\nname: x\ntower: compact\nencoder: tiny\n"
            "encoder_options: {dim: 16, depth: 1, heads: 2, ffn_dim: 16}\n"
            f"data: {{series: t.zarr, ground: {place.base}/ground.pt}}\n"
            "split: {block_deg: 2.0, validation: 0.2, test: 0.1}\nobjective: {in_batch: true, bank_size: 8}\n"
            "epochs: 1\nbatch_size: 4\nprecision: 32-true\n"
        )
        return ["train", "recipe.yaml", "-o", "out", "--accelerator", "cpu"]

    return Case("stores", f"stores/{command}/{name}", build, expect)


_DATA_OF_ARRAYS = (
    "valid",
    "steps of a million",
    "patch of text",
    "no bands",
    "arrays missing",
    "an array of a huge shape",
    "a chunk cut short",
    "a chunk that is a pipe",
    "months of text",
)


def cases() -> list[Case]:
    found = [_embeddings(name, change, expect, "ask") for name, (change, expect) in _EMBEDDINGS.items()]
    for name in (
        "valid",
        "dims of zero",
        "scale not a number",
        "a transform of zeros",
        "temperature of zero",
        "vectors missing",
        "a chunk cut short",
        "tower of escapes",
    ):
        change, expect = _EMBEDDINGS[name]
        expect = "refused or works" if name == "tower of escapes" else expect  # the tower of the first store is asked
        found.append(_embeddings(name, change, expect, "change"))
    found += [_manifest(name, text, expect) for name, (text, expect) in _MANIFESTS.items()]
    for name, (change, expect) in _TRAINING.items():
        arrays = name in _DATA_OF_ARRAYS and name != "valid"  # `data split` reads no array
        found.append(_training(name, change, "refused or works" if arrays else expect, "split"))
    found += [
        _training(name, *_TRAINING[name], "train")
        for name in (*_DATA_OF_ARRAYS, "rows beyond the arrays", "lon not a number", "ids of lists")
    ]
    return found
