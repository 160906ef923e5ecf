"""False applications, each with one fault that the watch must see, by which the watch itself is tested."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .case import Case, Place
from .watch import SECRETS

__all__ = ["APPS", "FAULTS", "fault_cases"]

App = Callable[[list[str]], object]


def _timesenclip(_arguments: list[str]) -> None:
    from timesenclip.cli.commands import main

    main()


def _refuse(message: str = "no such file; give another one.") -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(2)


def _raise(_: list[str]) -> None:
    raise ValueError("a fault")


def _wrong_code(_: list[str]) -> None:
    sys.exit(3)


def _say_nothing(_: list[str]) -> None:
    sys.exit(2)


def _sleep(_: list[str]) -> None:
    time.sleep(3600)


def _allocate(_: list[str]) -> None:
    held = [bytearray(b"x") * (64 << 20) for _i in range(40)]
    _refuse(f"{len(held)}")


def _allocate_in_c(_: list[str]) -> None:
    import numpy as np

    _refuse(str(np.ones((2200, 1 << 17)).sum()))


def _long_line(_: list[str]) -> None:
    _refuse("x" * 500)


def _two_lines(_: list[str]) -> None:
    _refuse("one\nerror: two")


def _library_noise(_: list[str]) -> None:
    os.write(2, b"ERROR 4: from C\n")
    _refuse()


def _escape(_: list[str]) -> None:
    _refuse("\x1b]0;title\x07")


def _escape_c1(_: list[str]) -> None:
    _refuse("\x9b31m")


def _leave_file(_: list[str]) -> None:
    Path("out").mkdir()
    Path("out/half.tif").write_bytes(b"half")
    _refuse()


def _leave_folder(_: list[str]) -> None:
    Path("run").mkdir()
    _refuse()


def _leave_part(_: list[str]) -> None:
    Path("out").mkdir()
    Path("out/.a.timesenclip-part").write_bytes(b"half")


def _leave_temporary(_: list[str]) -> None:
    Path(os.environ["TMPDIR"], "scratch").write_bytes(b"x")
    _refuse()


def _write_elsewhere(_: list[str]) -> None:
    Path("in.json").write_text("ours now")


def _remove_input(_: list[str]) -> None:
    Path("in.json").unlink()
    _refuse()


def _change_canary(_: list[str]) -> None:
    Path("../canary/keep/thesis.txt").write_text("gone")
    _refuse()


def _read_canary(_: list[str]) -> None:
    Path("../canary/secret.txt").read_bytes()
    _refuse()


def _tell_secret(_: list[str]) -> None:
    _refuse(f"https://me:{SECRETS[1]}@example.org")


def _write_secret(_: list[str]) -> None:
    Path("out").mkdir()
    Path("out/provenance.json").write_text(os.environ["AWS_SECRET_ACCESS_KEY"])


def _spawn(_: list[str]) -> None:
    subprocess.run(["true"], check=True)
    _refuse()


def _spawn_from_c(_: list[str]) -> None:
    import ctypes

    ctypes.CDLL(None).system(b"sleep 0.3")
    _refuse()


def _connect(_: list[str]) -> None:
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=0.2)
    except OSError:
        _refuse()


def _look_up(_: list[str]) -> None:
    try:
        socket.getaddrinfo("catalogue.example", 443)
    except OSError:
        _refuse()


def _connect_from_c(arguments: list[str]) -> None:
    import rasterio
    from rasterio.errors import RasterioError

    for address in ("http://elsewhere.example/a.tif", f"{arguments[0]}/a.tif"):
        try:
            rasterio.open(f"/vsicurl/{address}")
        except RasterioError:
            continue
    _refuse()


def _crash(_: list[str]) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _change_class(_: list[str]) -> None:
    import torch

    torch.nn.Module.forward = None  # type: ignore[assignment,method-assign]
    _refuse()


def _good(_: list[str]) -> None:
    Path("out").mkdir()
    Path("out/answer.txt").write_text("fine")


FAULTS: dict[str, tuple[App, str]] = {
    "raises": (_raise, "traceback"),
    "ends with another code": (_wrong_code, "exit code"),
    "says nothing": (_say_nothing, "message"),
    "sleeps": (_sleep, "hang"),
    "allocates": (_allocate, "memory"),
    "allocates in C": (_allocate_in_c, "memory"),
    "writes a long line": (_long_line, "message"),
    "writes two lines": (_two_lines, "message"),
    "lets a library write": (_library_noise, "message"),
    "writes an escape": (_escape, "control characters"),
    "writes an escape of Latin-1": (_escape_c1, "control characters"),
    "leaves a file": (_leave_file, "left file"),
    "leaves a folder": (_leave_folder, "left file"),
    "leaves a temporary name": (_leave_part, "left file"),
    "leaves something in TMPDIR": (_leave_temporary, "left file"),
    "changes its input": (_write_elsewhere, "foreign file"),
    "removes its input": (_remove_input, "foreign file"),
    "changes a foreign file": (_change_canary, "foreign file"),
    "reads a foreign file": (_read_canary, "foreign file"),
    "tells a secret": (_tell_secret, "secret"),
    "writes a secret": (_write_secret, "secret"),
    "starts a process": (_spawn, "child process"),
    "starts a process from C": (_spawn_from_c, "child process"),
    "connects": (_connect, "socket"),
    "looks up a name": (_look_up, "socket"),
    "connects from C": (_connect_from_c, "socket"),
    "crashes": (_crash, "crash"),
    "changes a class": (_change_class, "changed class"),
}
"""Name -> application, and the outcome that the watch must report."""

APPS: dict[str, App] = {
    "timesenclip": _timesenclip,
    "refuses": lambda _: _refuse(),
    "works": _good,
    **{name: app for name, (app, _) in FAULTS.items()},
}


def _inputs(place: Place) -> Sequence[Any]:
    (place.folder / "in.json").write_text("{}")
    return [place.trap]


def _unbuildable(_: Place) -> Sequence[Any]:
    raise ValueError("no such value")


def fault_cases() -> list[Case]:
    """A case for every false application, two that do what they should, and one that cannot be built."""
    writing = ("leaves a temporary name", "changes its input", "writes a secret")
    found = [
        Case("fault", f"fault/{name}", _inputs, "works" if name in writing else "refused", app=name) for name in FAULTS
    ]
    good = [
        Case("fault", f"fault/{name}", _inputs, how, app=name)
        for name, how in (("refuses", "refused"), ("works", "works"))
    ]
    return [*found, *good, Case("fault", "fault/cannot be built", _unbuildable)]
