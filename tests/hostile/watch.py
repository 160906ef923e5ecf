"""The watch over one command: what it did to files, processes, sockets, classes and memory, and whether it may.

`observe` runs in the parent of the process that runs the command; `Sentry` inside that process; `judge` compares what
both saw with what the case promises.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import json
import os
import re
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .case import EXPECTATIONS, Case

__all__ = ["OUTCOMES", "SECRETS", "FolderWatch", "Observed", "Sentry", "judge", "snapshot", "strange_files"]

OUTCOMES = (
    "as promised",
    "traceback",
    "crash",
    "hang",
    "memory",
    "exit code",
    "message",
    "control characters",
    "left file",
    "foreign file",
    "child process",
    "socket",
    "secret",
    "changed class",
    "broken case",
)
"""Columns of the table. A case with several faults counts under the first of them; all are kept in the JSON."""

SECRETS = ("CANARY-7f3a-SECRET-IN-A-FILE", "CANARY-91bc-SECRET-IN-AN-ADDRESS", "CANARY-d04e-SECRET-IN-A-VARIABLE")
"""In a foreign file, in addresses that cases give, and in the environment; none may appear in an output."""

LONGEST_LINE = 400
MEMORY_MB = 1536
SECONDS = 10.0

_RAW = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
"""Control characters, also those of Latin-1 in UTF-8; line feeds and tabs are none."""
_NOISE = re.compile(r"\.py:\d+: \w*Warning|^ERROR \d+:|^Warning \d+:|HDF5-DIAG|^\s*#\d{3}:|libpng|^\S*Warning: ")
_PROGRESS = re.compile(r": [\d,]+ scenes?, [\d,]+ days?, |^left out: |^step [\d,]+/")
"""Lines of ours that may precede an error."""
_TRACEBACK = "Traceback (most recent call last)"
_STRANGE = (".timesenclip-part",)

_ALLOWED_ADDRESSES = ("127.0.0.1", "::1", "localhost")


@dataclass
class Observed:
    """What was seen of one command."""

    exit_code: int | None = None
    """None: it was killed, by the watch (`hang`, `memory`) or by a signal (`signal`)."""
    signal: int | None = None
    hang: bool = False
    seconds: float = 0.0
    memory_mb: float = 0.0
    too_much_memory: bool = False
    stdout: bytes = b""
    stderr: bytes = b""
    new: list[str] = field(default_factory=list)
    """Files and folders, relative to the case's folder."""
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    canary: list[str] = field(default_factory=list)
    """Names in the canary folder that were read, changed, added or removed."""
    children: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    """Names of outputs that hold a secret."""


def snapshot(folder: Path) -> dict[str, str]:
    """Relative name -> digest of every file below a folder; folders and links by what they are."""
    found: dict[str, str] = {}
    for root, folders, files in os.walk(folder):
        for name in folders:
            path = Path(root) / name
            found[path.relative_to(folder).as_posix() + "/"] = os.readlink(path) if path.is_symlink() else "folder"
        for name in files:
            path = Path(root) / name
            found[path.relative_to(folder).as_posix()] = _digest(path)
    return found


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    if not path.is_file():
        return "special"
    size = path.stat().st_size
    if size > 256 << 20:  # a sparse file: too slow to read
        return f"{size} {path.stat().st_mtime_ns}"
    return f"{size} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def strange_files(names: list[str]) -> list[str]:
    """Names of temporary files and folders of ours."""
    return [name for name in names if name.rstrip("/").endswith(_STRANGE)]


class FolderWatch:
    """Names of files in one folder that any process opens, also from C; where inotify is missing, none."""

    _OPEN, _ISDIR, _NONBLOCK = 0x20, 0x40000000, 0o4000

    def __init__(self, folder: Path) -> None:
        self._fd = -1
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            self._fd = libc.inotify_init1(self._NONBLOCK)
            libc.inotify_add_watch(self._fd, os.fsencode(folder), self._OPEN)
        except (OSError, AttributeError):
            self._fd = -1

    def names(self) -> list[str]:
        """Names opened since the last call."""
        found: set[str] = set()
        while self._fd >= 0:
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                break
            at = 0
            while at < len(data):
                _, mask, _, length = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode(errors="replace")
                at += 16 + length
                if name and not mask & self._ISDIR:
                    found.add(name)
        return sorted(found)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class Sentry:
    """Inside the process that runs the command: notes children, sockets and changed classes, and refuses the network.

    Notes are written at once, one JSON line each, so that they survive when the process is killed.
    """

    def __init__(self, notes: int, allowed_ports: frozenset[int]) -> None:
        """Args: a file descriptor for the notes, and ports of this machine to which a connection is allowed."""
        self._notes = notes
        self._ports = allowed_ports
        self._marks = _marks()

    def start(self) -> None:
        """Listen from now on; audit hooks cannot be removed, so this process must end after the command."""
        sys.addaudithook(self._hook)

    def stop(self) -> None:
        """Note which classes and modules are not as they were at the start."""
        for name in self.changed_classes():
            self._note("classes", name)

    def _note(self, field: str, text: str) -> None:
        os.write(self._notes, (json.dumps([field, text]) + "\n").encode())

    def changed_classes(self) -> list[str]:
        """Names whose attributes are not those at the start."""
        now, found = _marks(), []
        for name, old in self._marks.items():
            new = now.get(name, {})
            keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            if keys:
                found.append(f"{name}: {', '.join(keys[:4])}")
        return found

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _CHILD_EVENTS:
            self._note("children", f"{event} {str(args)[:80]}")
        elif event in ("socket.connect", "socket.sendto", "socket.bind"):
            self._address(event, args[1] if len(args) > 1 else "")
        elif event == "socket.getaddrinfo" and str(args[0]) not in _ALLOWED_ADDRESSES:
            self._note("sockets", f"looked up {str(args[0])[:60]}")
            raise OSError("the network is off")

    def _address(self, event: str, address: Any) -> None:
        if isinstance(address, str | bytes):  # a Unix socket
            return
        host, port = address[:2]
        if event != "socket.bind" and host in _ALLOWED_ADDRESSES and port in self._ports:
            return
        self._note("sockets", f"{event.removeprefix('socket.')} {host}:{port}"[:80])
        raise OSError("the network is off")


_CHILD_EVENTS = frozenset(
    {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.system", "os.spawn", "pty.spawn"}
)


def _marks() -> dict[str, dict[str, int]]:
    """The attributes of each class and module that a hostile pickle could alter, by name."""
    names = {
        "torch": ("Tensor", "nn.Module", "nn.Linear", "nn.Parameter", "FloatStorage", "UntypedStorage", "Size"),
        "torch.serialization": ("_get_restore_location", "load"),
        "torch.storage": ("TypedStorage",),
        "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter"),
        "collections": ("OrderedDict", "Counter", "defaultdict", "deque", "UserDict"),
        "pickle": ("Unpickler", "_Unpickler", "load", "loads"),
        "numpy": ("ndarray", "dtype"),
        "timesenclip.safe_torch_load": ("",),
        "builtins": ("",),
        "copyreg": ("",),
        "os": ("",),
        "io": ("open",),
        "argparse": ("Namespace",),
        "types": ("SimpleNamespace",),
    }
    found = {}
    for module, attributes in names.items():
        if module not in sys.modules:
            continue
        for attribute in attributes:
            thing: Any = sys.modules[module]
            for part in attribute.split(".") if attribute else ():
                thing = getattr(thing, part, None)
            found[f"{module}.{attribute}".rstrip(".")] = _mark(thing)
    return found


def _mark(thing: Any) -> dict[str, int]:
    inside = dict(vars(thing)) if hasattr(thing, "__dict__") else {}
    return {str(key): id(value) for key, value in inside.items() if key not in _LAZY} | {"itself": id(thing)}


_LAZY = (
    "__warningregistry__",
    "_",
    "__annotations__",
    "__abstractmethods__",
    "__static_attributes__",
    "__slotnames__",
    "smart_apply",
)
"""Attributes that Python and libraries fill when they are first used."""


def judge(case: Case, seen: Observed, arguments: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Every fault as (outcome, reason), the gravest first; none: as promised."""
    faults = [*_ending(case, seen), *_words(case, seen), *_traces(case, seen, arguments)]
    return sorted(faults, key=lambda fault: OUTCOMES.index(fault[0]))


def _ending(case: Case, seen: Observed) -> list[tuple[str, str]]:
    text = seen.stderr.decode(errors="replace") + seen.stdout.decode(errors="replace")
    faults = []
    if _TRACEBACK in text:
        last = [line for line in text.splitlines() if line and not line.startswith(" ")]
        faults.append(("traceback", last[-1][:160] if last else "?"))
    if seen.hang:
        faults.append(("hang", f"stopped after {seen.seconds:.1f} s"))
    if seen.too_much_memory:
        faults.append(("memory", f"{seen.memory_mb:,.0f} MB"))
    if seen.signal is not None and not seen.hang and not seen.too_much_memory:
        faults.append(("crash", f"signal {seen.signal}"))
    if not faults and seen.exit_code not in EXPECTATIONS[case.expect]:
        tail = " ".join(text.split())[-200:]
        faults.append(("exit code", f"{seen.exit_code}, promised: {case.expect}; {tail}"))
    return faults


def _words(case: Case, seen: Observed) -> list[tuple[str, str]]:
    """What is wrong with the text on the terminal."""
    faults = []
    lines = seen.stderr.decode("utf-8", errors="replace").splitlines()
    longest = max((len(line) for line in lines), default=0)
    raw = _RAW.search(seen.stderr) or _RAW.search(seen.stdout)
    if raw:
        faults.append(("control characters", f"{raw.group()!r} in the output"))
    if _TRACEBACK in "\n".join(lines):
        return faults
    if longest > LONGEST_LINE:
        line = max(lines, key=len)
        faults.append(("message", f"{longest} characters: {line[:60]} ... {line[-40:]}"))
    noise = [line for line in lines if _NOISE.search(line) and not line.startswith(("error: ", "warning: "))]
    if noise:
        faults.append(("message", f"noise: {noise[0][:160]}"))
    errors = [line for line in lines if line.startswith("error: ")]
    if seen.exit_code in (1, 2) and len(errors) != 1:
        faults.append(
            ("message", f"{len(errors)} lines begin with 'error: '; last: {(lines or ['nothing'])[-1][:120]}")
        )
    if seen.exit_code == 2:
        other = [line for line in lines if not line.startswith(("error: ", "warning: ")) and not _PROGRESS.search(line)]
        if other:
            faults.append(("message", f"beside the error: {other[0][:160]}"))
        if seen.stdout and case.quiet:
            faults.append(("message", f"on stdout: {seen.stdout[:120]!r}"))
    return faults


def _traces(case: Case, seen: Observed, arguments: Sequence[str]) -> list[tuple[str, str]]:
    """What it left, changed, started and told."""
    worked = seen.exit_code in (0, 1)
    allowed = case.writes if worked else ()
    outputs = [b for a, b in itertools.pairwise(arguments) if a in ("-o", "--output")]
    # Missing folders above an output are made early, and an empty one is no output.
    parents = {"/".join(name.split("/")[:i]) + "/" for name in outputs for i in range(1, name.count("/") + 1)}
    left = [name for name in seen.new if not _below(name, allowed) and name not in parents]
    left += [name for name in strange_files(seen.new) if name not in left]
    altered = [name for name in (*seen.changed, *seen.gone) if not (worked and _below(name, case.changes))]
    faults = []
    for outcome, names in (
        ("left file", left),
        ("foreign file", [*altered, *seen.canary]),
        ("child process", seen.children),
        ("socket", seen.sockets),
        ("secret", seen.secrets),
        ("changed class", seen.classes),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            faults.append((outcome, "; ".join(names[:3]) + more))
    return faults


def _below(name: str, allowed: tuple[str, ...]) -> bool:
    bare = name.rstrip("/")
    return any(bare == top or bare.startswith(f"{top}/") for top in allowed)
