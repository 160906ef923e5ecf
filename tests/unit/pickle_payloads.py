"""Hostile pickles, written by their opcodes, and a watch on everything that one of them could change."""

from __future__ import annotations

import collections
import io
import pickle
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

__all__ = ["FORMS", "payloads", "watched", "write"]


def text(value: str) -> bytes:
    content = value.encode()
    return b"X" + len(content).to_bytes(4, "little") + content


def number(value: int) -> bytes:
    return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def dotted(module: str, attribute: str) -> bytes:
    """The step of protocol 4, which follows dots."""
    return text(module) + text(attribute) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def build(value: bytes, state: bytes) -> bytes:
    return value + state + b"b"


def one(key: str, value: bytes) -> bytes:
    """A dictionary of one item."""
    return b"}" + text(key) + value + b"s"


def payloads(mark: Path) -> dict[str, bytes]:
    """Values of a pickle, without beginning and end; each would write or change `mark`, or alter a class."""
    command, target = text(f"touch {mark}"), text(str(mark))
    written = text(f"open({str(mark)!r}, 'w')")
    from_file = b"(" + target + b"\x88" + number(64) + b"t"  # (name, shared=True, bytes)
    return {
        "os.system by REDUCE": call(name("posix", "system"), command),
        "os.system of Python 2's module": call(name("os", "system"), command),
        "subprocess by NEWOBJ": name("subprocess", "Popen") + b"(" + command + b"t\x81",
        "exec by REDUCE": call(name("builtins", "exec"), written),
        "eval of Python 2": call(name("__builtin__", "eval"), written),
        "posix.system by INST": b"(" + command + b"iposix\nsystem\n",
        "posix.system by OBJ": b"(" + name("posix", "system") + command + b"o",
        "an extension code": b"\x82\x01",
        "a storage that is a file": dotted("torch", "UntypedStorage.from_file") + from_file + b"R",
        "a storage that is a file, by its module": dotted("torch.storage", "UntypedStorage.from_file")
        + from_file
        + b"R",
        "a storage that is a file, by name": name("torch", "FloatStorage.from_file") + from_file + b"R",
        "a storage that is a file, by getattr": call(
            call(name("builtins", "getattr"), name("torch", "UntypedStorage"), text("from_file")),
            target,
            b"\x88",
            b"K\x40",
        ),
        "a huge storage": call(name("torch.storage", "UntypedStorage"), number(2**46)),
        "a huge tensor": call(name("torch", "Tensor"), number(2**46)),
        "state of a class of torch": build(name("torch", "FloatStorage"), one("altered", b"\x88")),
        "slots of a class of torch": build(name("torch", "Tensor"), b"N" + one("altered", b"\x88") + b"\x86"),
        "state of torch.storage": build(name("torch.storage", "UntypedStorage"), one("_new_shared", b"\x88")),
        "state of a function of torch": build(name("torch._utils", "_rebuild_tensor_v2"), one("altered", b"\x88")),
        "state of the class OrderedDict": build(name("collections", "OrderedDict"), one("altered", b"\x88")),
        "class of an OrderedDict": build(
            call(name("collections", "OrderedDict")),
            one("__class__", name("torch", "Tensor")) + text("x") + text("y") + b"s",
        ),
        "reduce of an OrderedDict": build(
            call(name("collections", "OrderedDict")), one("__reduce__", name("posix", "system"))
        ),
        "a name through a module of torch": call(dotted("torch._utils", "os.system"), command),
        "a name through a module of ours": call(dotted("timesenclip.files", "os.system"), command),
        "globals of a function": call(dotted("collections", "namedtuple.__globals__"), command),
        "torch.load": call(name("torch", "load"), target),
        "torch.hub.load": call(name("torch.hub", "load"), target, target),
        "torch.jit.load": call(name("torch.jit", "load"), target),
        "an item of torch's modules": name("torch", "__dict__") + text("altered") + b"\x88s",
        "an attribute by setattr": call(name("builtins", "setattr"), name("torch", "Tensor"), text("altered"), b"\x88"),
        "appended to a class": name("collections", "UserList") + b"\x88a",
        "a lambda of cloudpickle": call(name("types", "FunctionType"), b"N", b"}"),
        "a text as persistent id": target + b"Q",
        "a storage of any class": b"(" + text("storage") + name("posix", "system") + target + target + b"K\x01tQ",
    }


def unpickled(value: bytes) -> bytes:
    """A whole pickle of protocol 2."""
    return b"\x80\x02" + value + b"."


def _weights() -> tuple[bytes, bytes]:
    """A state dictionary without beginning and end, and the bytes of its one storage."""
    storage = b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x06tQ"
    size, stride = b"(K\x02K\x03t", b"(K\x03K\x01t"
    hooks = call(name("collections", "OrderedDict"))
    tensor = call(name("torch._utils", "_rebuild_tensor_v2"), storage, b"K\x00", size, stride, b"\x89", hooks)
    return one("weight", tensor), torch.arange(6.0).numpy().tobytes()


def write(value: bytes, file: Path, form: str) -> None:
    """Write a hostile value as a file of torch.save.

    Args:
        value: of `payloads`.
        file: where.
        form: one of `FORMS`; with `beside` it stands beside whole weights.
    """
    state, numbers = _weights()
    content = unpickled(b"}(" + text("x") + value + text("state_dict") + state + b"u" if "beside" in form else value)
    if form.startswith("zip"):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/byteorder", sys.byteorder)
            archive.writestr("archive/data/0", numbers)
        return
    if form == "bare":
        file.write_bytes(content)
        return
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    out = io.BytesIO()
    for start in (0x1950A86A20F9469CFC6C, 1001, system):
        out.write(pickle.dumps(start, protocol=2))
    out.write(content + pickle.dumps(["0"] if "beside" in form else [], protocol=2))
    out.write((6).to_bytes(8, "little") + numbers if "beside" in form else b"")
    file.write_bytes(out.getvalue())


FORMS = ("zip", "zip, beside weights", "legacy", "legacy, beside weights", "bare")

_WATCHED = (
    *(torch.Tensor, torch.nn.Parameter, torch.UntypedStorage, torch.FloatStorage, torch.storage.TypedStorage),
    *(collections.OrderedDict, collections.UserList, collections.defaultdict, pickle.Unpickler, pickle._Unpickler),
    *(torch, torch._utils, torch.storage, pickle, collections, torch._utils._rebuild_tensor_v2),
)
_ACTS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.",
    "pickle.find_class",
)
_events: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _events is None:
        return
    if event.startswith(_ACTS):
        _events.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        _events.append(f"{event} {arguments[0]}")


sys.addaudithook(_hook)  # a hook cannot be removed; it does nothing outside of `watched`


@contextmanager
def watched(*folders: Path) -> Iterator[None]:
    """Fail where a file appears or changes, an attribute of a class or module does, or a process or socket is made."""
    global _events
    before, names = _files(folders), [dict(vars(value)) for value in _WATCHED]
    _events = []
    try:
        yield
        happened = _events
    finally:
        _events = None
    assert not happened, happened
    assert _files(folders) == before, "files changed"
    for value, attributes in zip(_WATCHED, names, strict=True):
        changed = {key for key, item in vars(value).items() if key not in attributes or attributes[key] is not item}
        assert changed <= {"__warningregistry__"}, (value, changed)


def _files(folders: tuple[Path, ...]) -> dict[Path, bytes]:
    return {file: file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()}
