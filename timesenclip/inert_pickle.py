"""Read a pickle without building any object of it: values, and notes about tensors.

A pickle is a program: it names functions and classes, calls them, and sets the attributes of what they return. Here its
steps are carried out on plain values and on the notes below. No name is looked up, nothing is imported or called, and
nothing that exists outside of the reader can be changed. The work is bounded: by the length of the pickle, by the
number of its steps, and because no step copies what an earlier one built.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timesenclip.errors import CheckpointError

__all__ = ["LONGEST_PICKLE", "Placeholder", "StorageNote", "TensorNote", "read_inert_pickle"]

LONGEST_PICKLE = 32 * 2**20
"""Bytes that are read of a pickle; tensors stand beside it, so that one of 10,000 tensors has about 1 MB."""

_MOST_STEPS = 3_000_000
_MOST_NUMBERS = 2**48
"""Largest count, offset or size that is believed; none reaches it."""

_ACTING = frozenset(
    (
        *("os", "posix", "nt", "subprocess", "commands", "popen2", "sys", "shutil", "socket", "ctypes", "_ctypes"),
        *("importlib", "runpy", "pty", "code", "codeop", "pip", "webbrowser", "pickle", "_pickle", "cPickle"),
        *("marshal", "shelve", "pdb", "timeit", "urllib", "signal"),
    )
)
"""Modules whose functions run, read or write something. No weights name them. To refuse a file that does so is a
service, not the protection: what is not listed is not called either."""
_ACTING_BUILTINS = frozenset(
    (
        *("exec", "eval", "compile", "open", "file", "execfile"),
        *("__import__", "setattr", "delattr", "input", "breakpoint"),
    )
)
_BUILTINS = ("builtins", "__builtin__")


@dataclass(frozen=True, slots=True)
class Name:
    """A function or class that the pickle names; it is not looked up."""

    module: str
    """Module, as it is written."""
    name: str
    """Name in the module; dots and all."""

    def __str__(self) -> str:
        """The full name, at most 80 characters."""
        return f"{self.module}.{self.name}"[:80]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stands for an object that is neither a tensor nor a plain value."""

    kind: str
    """What the object would have been, such as `argparse.Namespace`."""


@dataclass(frozen=True, slots=True)
class StorageNote:
    """A block of numbers that stands outside of the pickle."""

    kind: str
    """Name of torch's storage class, such as `FloatStorage`."""
    key: str
    """Name of the block in the file."""
    count: int
    """Numbers in it; bytes of an `UntypedStorage`."""


@dataclass(frozen=True, slots=True)
class TensorNote:
    """A tensor, as a view of a storage."""

    storage: StorageNote
    """Where its numbers are."""
    offset: int
    """Number of the storage at which it begins."""
    size: tuple[int, ...]
    """Its shape."""
    stride: tuple[int, ...]
    """Numbers from one index to the next, by axis."""
    dtype: str | None
    """Name of torch's data type, where the storage does not say it."""


def read_inert_pickle(file: io.BytesIO, *, storages: dict[str, StorageNote] | None = None) -> Any:
    """Read one pickle from the present position on; the position is then after its end.

    Args:
        file: the pickle.
        storages: filled with all storages that it names, by key.

    Returns:
        Plain values, notes and placeholders. Dictionaries hold the items whose keys are text; sets are placeholders.

    Raises:
        CheckpointError: the pickle is broken or too large, or names what no weights need. The message lacks the file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of odd escapes in texts of protocol 0
        return _run(_Machine({} if storages is None else storages), file)


def _run(machine: _Machine, file: io.BytesIO) -> Any:
    """Carry out the steps until the end of the pickle."""
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number >= _MOST_STEPS:
                raise CheckpointError(f"its pickle has over {_MOST_STEPS:,} steps")
            if opcode.name == "STOP":
                return machine.stack.pop()
            step = _STEPS.get(opcode.name)
            if step is None:
                raise CheckpointError(f"its pickle has the step {opcode.name}, which torch.save does not write")
            step(machine, argument)
    except CheckpointError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CheckpointError("its pickle is damaged; fetch it again") from error
    raise CheckpointError("its pickle has no end; fetch it again")


class _Machine:
    """The stacks and the memory of a pickle that is being read."""

    def __init__(self, storages: dict[str, StorageNote]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def put(self, index: int | None) -> None:
        index = len(self.memo) if index is None else int(index)
        if not 0 <= index < _MOST_STEPS:
            raise ValueError
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.push(self.memo[int(index)])

    def make_tuple(self, count: int | None) -> None:
        items = self.since_mark() if count is None else [self.stack.pop() for _ in range(count)][::-1]
        self.push(tuple(items))

    def make_frozenset(self) -> None:
        self.since_mark()
        self.push(Placeholder("frozenset"))

    def make_dict(self) -> None:
        items = self.since_mark()
        self.push({})
        self.set_items(items)

    def append(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_items(zip(items[::2], items[1::2], strict=True)))

    def name(self, argument: str | None) -> None:
        if argument is None:
            name, module = self.stack.pop(), self.stack.pop()
        else:
            module, _, name = argument.partition(" ")  # genops joins the two lines by a blank
        self.push(_allowed(module, name))

    def call(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.push(_result(function, arguments))

    def call_with_keywords(self, _: Any) -> None:
        self.stack.pop()
        self.call(None)

    def storage(self, _: Any) -> None:
        found = _storage(self.stack.pop())
        self.storages[found.key] = found
        self.push(found)


def _items(pairs: Any) -> dict[str, Any]:
    """Items whose keys are text: other keys have no use here, and some take very long to be hashed."""
    return {key: value for key, value in pairs if type(key) is str}


def _allowed(module: Any, name: Any) -> Name:
    """The name.

    Raises:
        CheckpointError: it belongs to something that acts, or is no name.
    """
    if type(module) is not str or type(name) is not str or not (module + name).isprintable():
        raise CheckpointError("its pickle names a function with characters that no name has")
    full = Name(module, name)
    inside, root = name.split("."), module.split(".")[0]
    acts = (
        root in _ACTING
        or (root in _BUILTINS and inside[0] in _ACTING_BUILTINS)
        or (len(inside) > 1 and (root == "torch" or any(part in _ACTING or part[:2] == "__" for part in inside)))
        or str(full).startswith(("torch.hub", "torch.jit", "torch.load", "torch.serialization.load", "torch.ops"))
        or (root == "torch" and "from_file" in name)
    )
    if acts:
        raise CheckpointError(
            f"its pickle names '{full}', which no weights need; the file is hostile, and nothing of it was run"
        )
    return full


def _result(function: Any, arguments: Any) -> Any:
    """What a call stands for: a note of a tensor, a plain value, or a placeholder."""
    if type(function) is not Name or type(arguments) is not tuple:
        return Placeholder(str(getattr(function, "kind", "unknown")))
    known = _CALLS.get((function.module, function.name))
    return Placeholder(str(function)) if known is None else known(*arguments)


def _dictionary(pairs: Any = (), *_: Any) -> dict[str, Any]:
    return _items(pairs) if isinstance(pairs, list) else {}


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any = None, _hooks: Any = None, *rest: Any
) -> TensorNote:
    return _checked_tensor(storage, offset, size, stride, None, *rest)


def _tensor_with_dtype(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *rest: Any
) -> TensorNote:
    if type(dtype) is not Name or dtype.module != "torch":
        raise ValueError
    return _checked_tensor(storage, offset, size, stride, dtype.name, *rest)


def _checked_tensor(
    storage: Any, offset: Any, size: Any, stride: Any, dtype: str | None, metadata: Any = None
) -> TensorNote:
    if type(storage) is not StorageNote or metadata:
        raise CheckpointError("a tensor in it is no view of a storage")
    if type(size) is not tuple or type(stride) is not tuple or not len(size) == len(stride) <= 16:
        raise ValueError
    if not all(type(number) is int and 0 <= number < _MOST_NUMBERS for number in (offset, *size, *stride)):
        raise CheckpointError("a tensor in it has an impossible size or position")
    return TensorNote(storage, offset, size, stride, dtype)


def _storage(identity: Any) -> StorageNote:
    """The storage that a persistent id stands for: ('storage', class, key, device, count[, view])."""
    mark, kind, key, _, count = identity[:5]
    plain = len(identity) == 5 or (len(identity) == 6 and identity[5] is None)
    if mark != "storage" or not plain or type(kind) is not Name or not kind.module.startswith("torch"):
        raise ValueError
    if type(key) is not str or type(count) is not int or not 0 <= count < _MOST_NUMBERS:
        raise CheckpointError("a storage in it has an impossible name or size")
    return StorageNote(kind.name, key, count)


_CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _dictionary,
    ("collections", "defaultdict"): _dictionary,
    ("torch", "Size"): lambda numbers=(), *_: tuple(numbers) if isinstance(numbers, list | tuple) else (),
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_with_dtype,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda tensor, *_: tensor,
}

_VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)

_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    **dict.fromkeys(_VALUES, _Machine.push),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_SET": lambda m, _: m.push(Placeholder("set")),
    "FROZENSET": lambda m, _: m.make_frozenset(),
    "ADDITEMS": lambda m, _: m.since_mark(),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "DICT": lambda m, _: m.make_dict(),
    "TUPLE": lambda m, _: m.make_tuple(None),
    "TUPLE1": lambda m, _: m.make_tuple(1),
    "TUPLE2": lambda m, _: m.make_tuple(2),
    "TUPLE3": lambda m, _: m.make_tuple(3),
    "APPEND": lambda m, _: m.append([m.stack.pop()]),
    "APPENDS": lambda m, _: m.append(m.since_mark()),
    "SETITEM": lambda m, _: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": lambda m, _: m.put(None),
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": lambda m, _: m.name(None),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "BUILD": lambda m, _: m.stack.pop(),
    "BINPERSID": _Machine.storage,
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
}
"""What each step does. Not here, so refused: INST, OBJ, EXT1, EXT2, EXT4, PERSID and the steps with outside buffers."""
