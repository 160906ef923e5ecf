"""Checkpoints: configurations, safetensors and legacy pickles; and heads."""

from __future__ import annotations

import collections
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..bytes import BREAKAGES, HOSTILE_TEXT, flip, flip_head, nested_json
from ..case import Case, Expect, Place

_CLASSIFY = ("-p", "maize", "-p", "forest", "-o", "out/a.parquet")
Edit = Callable[[dict[str, Any]], object]


def _encoder(**values: object) -> Edit:
    return lambda c: c["encoder"].update(values)


_CONFIG: dict[str, tuple[Edit, Expect]] = {
    "valid": (lambda c: None, "works"),
    "depth of a million": (_encoder(depth=1_000_000), "refused"),
    "depth of nothing": (_encoder(depth=0), "refused"),
    "negative depth": (_encoder(depth=-1), "refused"),
    "dim of a billion": (_encoder(dim=1 << 30), "refused"),
    "dim of zero": (_encoder(dim=0), "refused"),
    "dim of a float": (_encoder(dim=128.5), "refused"),
    "dim of text": (_encoder(dim="wide"), "refused"),
    "dim of a list": (_encoder(dim=[128]), "refused"),
    "heads of zero": (_encoder(heads=0), "refused"),
    "heads of seven": (_encoder(heads=7), "refused"),
    "negative heads": (_encoder(heads=-4), "refused"),
    "bands of a million": (_encoder(bands=1_000_000), "refused"),
    "patch of a million": (_encoder(patch_size=1_000_000), "refused"),
    "a wide feed-forward layer": (_encoder(ffn_dim=1 << 40), "refused"),
    "harmonics of a billion": (_encoder(harmonics=1 << 30), "refused"),
    "steps of zero": (_encoder(max_steps=0), "refused"),
    "negative steps": (_encoder(max_steps=-1), "refused"),
    "dropout of two": (_encoder(dropout=2.0), "refused"),
    "dropout not a number": (_encoder(dropout="nan"), "refused"),
    "unknown positions": (_encoder(positions="\x1b[31m"), "refused"),
    "an unknown field": (_encoder(**{"\x1b[2J": 1}), "refused"),
    "a field missing": (lambda c: c["encoder"].pop("dim"), "refused"),
    "encoder is a list": (lambda c: c.update(encoder=[1]), "refused"),
    "encoder is null": (lambda c: c.update(encoder=None), "refused"),
    "embeddings of another size": (_encoder(embed_dim=512), "refused"),
    "temperature of zero": (lambda c: c["calibration"].update(temperature=0), "refused"),
    "temperature not a number": (lambda c: c["calibration"].update(temperature=float("nan")), "refused"),
    "temperature infinite": (lambda c: c["calibration"].update(temperature=float("inf")), "refused"),
    "temperature of 1e-320": (lambda c: c["calibration"].update(temperature=1e-320), "refused or works"),
    "unknown score not a number": (lambda c: c["calibration"].update(unknown_score=float("nan")), "refused"),
    "unknown normalisation": (lambda c: c.update(normalisation=HOSTILE_TEXT), "refused"),
    "normalisation is a list": (lambda c: c.update(normalisation=["sqrt"]), "refused"),
    "unknown tower": (lambda c: c["tower"].update(name="nowhere"), "refused"),
    "a tower of a foreign folder": (lambda c: c["tower"].update(name="../canary"), "refused"),
    "a tower of the hub": (lambda c: c["tower"].update(name="hf-hub:nobody/nothing"), "refused"),
    "a tower of another size": (lambda c: c["tower"].update(dim=7), "refused"),
    "a revision of a path": (lambda c: c["tower"].update(name="hf-hub:nobody/nothing", revision="../../.."), "refused"),
    "version 99": (lambda c: c.update(format_version=99), "refused"),
    "version of text": (lambda c: c.update(format_version="\x1b[31m"), "refused"),
    "a name of escapes": (lambda c: c.update(name=HOSTILE_TEXT), "refused or works"),
    "a name of a megabyte": (lambda c: c.update(name="x" * 1_000_000), "refused or works"),
    "an unknown key": (lambda c: c.update({"\x1b[31m": 1}), "refused"),
    "an unknown band": (lambda c: c.update(band_names=["B99"] * 10), "refused"),
    "a band twice": (lambda c: c.update(band_names=["B02"] * 10), "refused"),
    "fewer bands than the encoder": (lambda c: c.update(band_names=["B02"]), "refused"),
    "no bands": (lambda c: c.update(band_names=[]), "refused"),
    "an unknown type of weights": (lambda c: c.update(weights_dtype="float4"), "refused"),
    "hemisphere of text": (lambda c: c.update(hemisphere_shift="perhaps"), "refused"),
    "training of a list": (lambda c: c.update(training=[1]), "refused"),
}

JSON_TEXTS: dict[str, Callable[[Place], str | bytes]] = {
    "empty": lambda _: "",
    "a list": lambda _: "[]",
    "null": lambda _: "null",
    "text": lambda _: '"x"',
    "a number": lambda _: "1e999",
    "nested": lambda p: nested_json(p.random.randint(50_000, 200_000)),
    "nested objects": lambda _: '{"a":' * 50_000 + "1" + "}" * 50_000,
    "an integer of 10000 digits": lambda _: '{"a": ' + "9" * 10_000 + "}",
    "never closed": lambda _: '{"name": "x',
    "latin-1": lambda _: '{"name": "é"}'.encode("latin-1"),
    "utf-16": lambda _: '{"name": "x"}'.encode("utf-16"),
    "a byte order mark": lambda _: b"\xef\xbb\xbf{}",
    "a key twice": lambda _: '{"name": 1, "name": 2}',
    "control characters": lambda _: '{"' + HOSTILE_TEXT + '": 1}',
    "control characters, escaped": lambda _: '{"\\u001b[31m\\u009b2J": 1}',
    "surrogates": lambda _: '{"\\ud800": "\\udfff"}',
    "a comment": lambda _: '{"name": 1} // yes',
    "a megabyte in one key": lambda _: '{"' + "x" * 1_000_000 + '": 1}',
    "30 megabytes": lambda _: '{"a": [' + "1, " * 10_000_000 + "1]}",
    "not a number": lambda _: '{"format_version": NaN}',
}
"""Texts that no reader of JSON settings can use."""


def _checkpoint(place: Place) -> Path:
    return Path(shutil.copytree(place.base / "checkpoint", place.folder / "model"))


def _ask(place: Place) -> list[object]:
    shutil.copy(place.base / "wide.parquet", place.folder / "points.parquet")
    return ["classify", "points.parquet", "--checkpoint", "model", *_CLASSIFY]


def _config(name: str, edit: Edit, expect: Expect, command: str = "classify") -> Case:
    def build(place: Place) -> Sequence[object]:
        file = _checkpoint(place) / "config.json"
        content = json.loads(file.read_text())
        edit(content)
        file.write_text(json.dumps(content))
        return _ask(place) if command == "classify" else ["info", "model"]

    return Case("JSON", f"JSON/config/{command}/{name}", build, expect)


def _config_text(name: str, text: Callable[[Place], str | bytes]) -> Case:
    def build(place: Place) -> Sequence[object]:
        content = text(place)
        (_checkpoint(place) / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
        return _ask(place)

    return Case("JSON", f"JSON/config text/{name}", build, "refused")


def _head_text(name: str, text: Callable[[Place], str | bytes]) -> Case:
    def build(place: Place) -> Sequence[object]:
        head = Path(shutil.copytree(place.base / "head", place.folder / "head"))
        content = text(place)
        (head / "head.json").write_bytes(content if isinstance(content, bytes) else content.encode())
        return _with_head(place)

    return Case("JSON", f"JSON/head text/{name}", build, "refused")


def _with_head(place: Place) -> list[object]:
    shutil.copy(place.base / "wide.parquet", place.folder / "points.parquet")
    return ["classify", "points.parquet", "--head", "head", "-o", "out/a.parquet"]


_HEAD: dict[str, tuple[Edit, Expect]] = {
    "valid": (lambda c: None, "works"),
    "temperature of zero": (lambda c: c.update(temperature=0), "refused"),
    "temperature not a number": (lambda c: c.update(temperature=float("nan")), "refused"),
    "negative temperature": (lambda c: c.update(temperature=-1), "refused"),
    "temperature of text": (lambda c: c.update(temperature="warm"), "refused"),
    "no taxonomy": (lambda c: c.pop("taxonomy"), "refused"),
    "taxonomy is a list": (lambda c: c.update(taxonomy=[]), "refused"),
    "one class": (lambda c: c["taxonomy"]["classes"].pop(), "refused"),
    "escapes in a class": (lambda c: c["taxonomy"]["classes"][0].update(name="\x1b[31mred"), "refused or works"),
    "a class without a name": (lambda c: c["taxonomy"]["classes"][0].pop("name"), "refused"),
    "a colour that is none": (lambda c: c["taxonomy"]["classes"][0].update(colour="red"), "refused or works"),
    "two classes of one name": (
        lambda c: c["taxonomy"]["classes"][0].update(c["taxonomy"]["classes"][1]),
        "refused or works",
    ),
    "another digest": (lambda c: c["checkpoint"].update(digest="\x1b[31m"), "refused"),
    "digest is a list": (lambda c: c["checkpoint"].update(digest=[1]), "refused"),
    "no checkpoint": (lambda c: c.pop("checkpoint"), "refused"),
    "version 99": (lambda c: c.update(format_version=99), "refused"),
    "about of text": (lambda c: c.update(about="x"), "refused or works"),
}


def _head(name: str, edit: Edit, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        head = Path(shutil.copytree(place.base / "head", place.folder / "head"))
        content = json.loads((head / "head.json").read_text())
        edit(content)
        (head / "head.json").write_text(json.dumps(content))
        return _with_head(place)

    return Case("JSON", f"JSON/head/{name}", build, expect)


def _safetensors(
    header: Callable[[Place], str | bytes], body: bytes = b"", length: int | None = None
) -> Callable[[Path, Place], None]:
    """A file with any header."""

    def change(path: Path, place: Place) -> None:
        text = header(place)
        raw = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + body)

    return change


def _tensors(edit: Callable[[dict[str, Any], Place], object]) -> Callable[[Path, Place], None]:
    """The same weights, changed."""

    def change(path: Path, place: Place) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(path)
        edit(tensors, place)
        save_file(tensors, path)

    return change


def _poison(value: float) -> Callable[[dict[str, Any], Place], None]:
    def edit(tensors: dict[str, Any], place: Place) -> None:
        name = place.random.choice(sorted(tensors))
        tensors[name].view(-1)[place.random.randrange(tensors[name].numel())] = value

    return edit


def _reshape(tensors: dict[str, Any], place: Place) -> None:
    name = place.random.choice([n for n in sorted(tensors) if tensors[n].ndim > 1])
    tensors[name] = tensors[name].T.contiguous()[:-1]


def _to_int(tensors: dict[str, Any], place: Place) -> None:
    name = place.random.choice(sorted(tensors))
    tensors[name] = tensors[name].int()


def _entry(**entry: object) -> Callable[[Place], str]:
    base = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return lambda _: json.dumps({"a": base | entry})


_WEIGHTS: dict[str, tuple[Callable[[Path, Place], None], Expect]] = {
    "valid": (lambda path, p: None, "works"),
    "valid, written again": (_tensors(lambda t, p: None), "works"),
    "a number missing": (_tensors(_poison(float("nan"))), "refused"),
    "an infinite number": (_tensors(_poison(float("inf"))), "refused"),
    "a tensor missing": (_tensors(lambda t, p: t.pop(p.random.choice(sorted(t)))), "refused"),
    "a tensor too many": (
        _tensors(lambda t, p: t.update({"extra\x1b[31m": next(iter(t.values())).clone()})),
        "refused or works",
    ),
    "a tensor of another shape": (_tensors(_reshape), "refused"),
    "a tensor of integers": (_tensors(_to_int), "refused or works"),
    "no tensors": (_tensors(lambda t, p: t.clear()), "refused"),
    "header of nothing": (_safetensors(lambda _: ""), "refused"),
    "header longer than the file": (_safetensors(lambda _: "{}", length=1 << 40), "refused"),
    "header of 2**64 bytes": (_safetensors(lambda _: "{}", length=(1 << 64) - 1), "refused"),
    "header of a list": (_safetensors(lambda _: "[]"), "refused"),
    "header nested": (_safetensors(lambda _: nested_json(100_000)), "refused"),
    "header of escapes": (_safetensors(lambda _: json.dumps({"\x1b[31m": 1})), "refused"),
    "header in latin-1": (_safetensors(lambda _: b'{"\xe9": {}}'), "refused"),
    "an unknown type": (_safetensors(_entry(dtype="F3"), bytes(4)), "refused"),
    "a shape of a million millions": (_safetensors(_entry(shape=[1 << 40, 1 << 40]), bytes(4)), "refused"),
    "a negative shape": (_safetensors(_entry(shape=[-1]), bytes(4)), "refused"),
    "offsets beyond the file": (_safetensors(_entry(data_offsets=[0, 1 << 40]), bytes(4)), "refused"),
    "offsets reversed": (_safetensors(_entry(data_offsets=[4, 0]), bytes(4)), "refused"),
    "an overlap": (
        _safetensors(
            lambda _: json.dumps({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}), bytes(4)
        ),
        "refused",
    ),
    "a pickle of that name": (lambda path, p: path.write_bytes(pickle.dumps({"a": 1})), "refused"),
}


def _weights(name: str, change: Callable[[Path, Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        change(_checkpoint(place) / "model.safetensors", place)
        return _ask(place)

    return Case("checkpoint", f"checkpoint/weights/{name}", build, expect)


def _head_weights(name: str, change: Callable[[Path, Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        head = Path(shutil.copytree(place.base / "head", place.folder / "head"))
        change(head / "head.safetensors", place)
        return _with_head(place)

    return Case("checkpoint", f"checkpoint/head/{name}", build, expect)


class _Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.function, self.arguments


def _build_on(module: str, name: str, state: bytes) -> bytes:
    """GLOBAL module name, a dictionary, BUILD: alters the class itself where an unpickler hands it out."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + state + b"b."


_SLOTS = b"N}X\x07\x00\x00\x00hostileK\x01s\x86"  # (None, {"hostile": 1}): set with setattr, which classes take, too
_STATE = b"}X\x07\x00\x00\x00hostileK\x01s"  # {"hostile": 1}


def _raw(data: Callable[[Place], bytes], *, legacy: bool = True) -> Callable[[Place, Path], None]:
    def write(place: Place, path: Path) -> None:
        raw = data(place)
        if legacy:  # the format of torch before 1.6: magic number, protocol, system, content
            head = [
                pickle.dumps(part, 2)
                for part in (
                    0x1950A86A20F9469CFC6C,
                    1001,
                    {"protocol_version": 1001, "little_endian": True, "type_sizes": {}},
                )
            ]
            path.write_bytes(b"".join(head) + raw + pickle.dumps([], 2))
            return
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", raw)
            archive.writestr("a/version", "3\n")
            archive.writestr("a/byteorder", "little")

    return write


def _append(place: Place) -> bytes:
    """Opens a file to append, and writes: through `torch.storage`'s own reader in the old format."""
    return pickle.dumps(_Call(open, str(place.canary / "keep" / "thesis.txt"), "a"), 2)


_PICKLES: dict[str, Callable[[Place], bytes]] = {
    "os.system": lambda p: pickle.dumps({"a": _Call(os.system, "touch pwned")}, 2),
    "subprocess": lambda p: b"\x80\x02csubprocess\nPopen\n(X\x0b\x00\x00\x00touch pwnedtR.",
    "eval": lambda p: pickle.dumps({"a": _Call(eval, "open('pwned', 'w')")}, 2),
    "exec": lambda p: pickle.dumps({"a": _Call(exec, "open('pwned', 'w')")}, 2),
    "open": _append,
    "a socket": lambda p: b"\x80\x02csocket\ncreate_connection\n(X\x09\x00\x00\x00127.0.0.1K\x09\x86tR.",
    "an import": lambda p: b"\x80\x02cantigravity\nfly\n(tR.",
    "state of torch.nn.Module": lambda p: _build_on("torch.nn.modules.module", "Module", _STATE),
    "state of torch.FloatStorage": lambda p: _build_on("torch", "FloatStorage", _STATE),
    "state of torch.Tensor": lambda p: _build_on("torch", "Tensor", _STATE),
    "state of torch.Size": lambda p: _build_on("torch", "Size", _STATE),
    "state of OrderedDict": lambda p: _build_on("collections", "OrderedDict", _STATE),
    "state of the rebuilder": lambda p: _build_on("torch._utils", "_rebuild_tensor_v2", _STATE),
    "state of a dtype": lambda p: _build_on("torch", "float32", _STATE),
    "slots of torch.nn.Module": lambda p: _build_on("torch.nn.modules.module", "Module", _SLOTS),
    "slots of torch.FloatStorage": lambda p: _build_on("torch", "FloatStorage", _SLOTS),
    "slots of torch.UntypedStorage": lambda p: _build_on("torch.storage", "UntypedStorage", _SLOTS),
    "slots of torch.Size": lambda p: _build_on("torch", "Size", _SLOTS),
    "slots of OrderedDict": lambda p: _build_on("collections", "OrderedDict", _SLOTS),
    "slots of the rebuilder": lambda p: _build_on("torch._utils", "_rebuild_tensor_v2", _SLOTS),
    "items of OrderedDict": lambda p: b"\x80\x02ccollections\nOrderedDict\nK\x01K\x02s.",
    "a getattr chain": lambda p: b"\x80\x02cbuiltins\ngetattr\n(cos\nsystem\nX\x08\x00\x00\x00__call__tR.",
    "a dotted name": lambda p: b"\x80\x04\x8c\x05torch\x8c\x0fstorage.os.path\x93.",
    "a memo bomb": lambda p: (
        b"\x80\x02]q\x00" + b"".join(b"(h%c h%ce" % (0, 0) for _ in range(3)).replace(b" ", b"") + b"."
    ),
    "nested tuples": lambda p: b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
    "nested lists": lambda p: b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "an integer of 2**31 bytes": lambda p: b"\x80\x02\x8b\xff\xff\xff\x7f",
    "text of 2**63 bytes": lambda p: b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    "a frame of 2**63 bytes": lambda p: b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
    "a persistent id of text": lambda p: b"\x80\x02X\x01\x00\x00\x00aQ.",
    "a persistent id of a foreign file": lambda p: (
        b"\x80\x02(X\x06\x00\x00\x00modulecbuiltins\nobject\nX\x0b\x00\x00\x00/etc/passwdX\x01\x00\x00\x00xtQ."
    ),
    "an extension": lambda p: b"\x80\x02\x82\x01.",
    "an unknown opcode": lambda p: b"\x80\x02\xff.",
    "nothing": lambda p: b".",
    "a dictionary of numbers": lambda p: pickle.dumps({"a": 1}, 2),
    "a list": lambda p: pickle.dumps([1, 2], 2),
    "keys that are not text": lambda p: pickle.dumps({(1, 2): 3, None: 4}, 2),
    "escapes in keys": lambda p: pickle.dumps({"\x1b[31m": 1}, 2),
    "a counter": lambda p: pickle.dumps(collections.Counter("abc"), 2),
}


def _pickle(name: str, data: Callable[[Place], bytes], legacy: bool) -> Case:
    def build(place: Place) -> Sequence[object]:
        _raw(data, legacy=legacy)(place, place.folder / "model.pt")
        return ["import", "official", "model.pt", "-o", "out"]

    return Case("pickle", f"pickle/{'legacy' if legacy else 'zip'}/{name}", build, "refused")


def _official(torch: Any, _: Place) -> object:
    """The authors' encoder, untrained."""
    from timesenclip.model.encoder import SeriesEncoder

    return SeriesEncoder().state_dict()


def _lightning(torch: Any, place: Place) -> object:
    """A file of Lightning, with settings that are no tensors."""
    import argparse

    tensors = {f"learner.ts_encoder.{name}": value for name, value in _official(torch, place).items()}  # type: ignore[attr-defined]
    return {"state_dict": tensors, "hyper_parameters": argparse.Namespace(lr=0.1), "epoch": 3}


def _torch_file(name: str, content: Callable[[Any, Place], object], expect: Expect, command: str = "official") -> Case:
    def build(place: Place) -> Sequence[object]:
        import torch

        torch.save(content(torch, place), place.folder / "model.pt")
        if command == "ground":
            place.folder.joinpath("recipe.yaml").write_text(
                "recipe: photos\nname: x\ntower: compact\nencoder: tiny\n"
                f"data: {{series: {place.base}/training.zarr, ground: model.pt}}\nbatch_size: 4\nepochs: 1\n"
            )
            return ["train", "recipe.yaml", "-o", "out", "--accelerator", "cpu"]
        return ["import", command, "model.pt", "-o", "out"]

    return Case("pickle", f"pickle/{command}/{name}", build, expect)


def _zip_bomb(path: Path, _: Place) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"N" * (300 << 20) + b".")


def _zip_path(path: Path, _: Place) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../canary/keep/thesis.txt", "gone")
        archive.writestr("a/data.pkl", b"\x80\x02N.")


def _file(name: str, breakage: Callable[[Path, Place], None], suffix: str = ".pt", command: str = "official") -> Case:
    def build(place: Place) -> Sequence[object]:
        path = place.folder / f"model{suffix}"
        shutil.copy(place.base / "checkpoint" / "model.safetensors", path)
        breakage(path, place)
        return ["import", command, path.name, "-o", "out"]

    return Case("pickle", f"pickle/file {command}{suffix}/{name}", build, "refused")


_OBJECTS: dict[str, tuple[Callable[[Any, Place], object], Expect]] = {
    "no tensors": (lambda t, p: {"a": 1}, "refused"),
    "other tensors": (lambda t, p: {"a": t.ones(2)}, "refused"),
    "a sparse tensor": (lambda t, p: {"time_token": t.eye(3).to_sparse()}, "refused"),
    "a complex tensor": (lambda t, p: {"time_token": t.ones(1, 1, 512, dtype=t.complex64)}, "refused"),
    "an empty tensor": (lambda t, p: {"time_token": t.ones(1, 1, 0)}, "refused"),
    "a scalar": (lambda t, p: {"time_token": t.tensor(1.0)}, "refused"),
    "a state within a state": (lambda t, p: {"state_dict": {"state_dict": {"a": t.ones(1)}}}, "refused"),
    "escapes in names": (lambda t, p: {"\x1b[31m": t.ones(1), "learner.ts_encoder.\x1b[2J": t.ones(1)}, "refused"),
    "an expanded tensor": (lambda t, p: {"time_token": t.ones(1).expand(1 << 20, 1 << 20)}, "refused"),
}


def cases() -> list[Case]:
    found = [_config(name, edit, expect) for name, (edit, expect) in _CONFIG.items()]
    found += [
        _config(n, *_CONFIG[n], command="info")  # type: ignore[misc]
        for n in ("valid", "a name of escapes", "unknown normalisation", "depth of a million")
    ]
    found += [_config_text(name, text) for name, text in JSON_TEXTS.items()]
    found += [_head(name, edit, expect) for name, (edit, expect) in _HEAD.items()]
    found += [_head_text(name, text) for name, text in JSON_TEXTS.items()]
    found += [_weights(name, change, expect) for name, (change, expect) in _WEIGHTS.items()]
    found += [_weights(f"file: {name}", breakage, "refused") for name, breakage in BREAKAGES.items()]
    found += [_weights(f"changed bytes {i}", flip, "no crash") for i in range(4)]
    found += [_weights(f"changed header {i}", flip_head, "no crash") for i in range(4)]
    few = (
        "a number missing",
        "an infinite number",
        "no tensors",
        "a tensor of another shape",
        "header longer than the file",
        "a pickle of that name",
    )
    found += [_head_weights(name, *_WEIGHTS[name]) for name in few]
    found += [_head_weights(name, BREAKAGES[name], "refused") for name in ("empty file", "gone", "a pipe", "cut short")]
    for legacy in (True, False):
        found += [_pickle(name, data, legacy) for name, data in _PICKLES.items()]
    for command in ("official", "clip", "ground"):
        if command == "official":
            found.append(_torch_file("valid", _official, "works"))
            found.append(_torch_file("valid, of Lightning", _lightning, "refused or works"))
        found += [_torch_file(name, content, expect, command) for name, (content, expect) in _OBJECTS.items()]
    for command in ("official", "clip"):
        found += [
            _file(name, breakage, command=command)
            for name, breakage in {**BREAKAGES, "a bomb": _zip_bomb, "paths in a zip": _zip_path}.items()
        ]
    found += [
        _file(name, BREAKAGES[name], ".safetensors") for name in ("cut short", "a pipe", "random bytes", "empty file")
    ]
    return found
