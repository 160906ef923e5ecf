"""What a case of hostile input is: files that it writes, a command line, and what the command must do."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["EXPECTATIONS", "Build", "Case", "Expect", "Place"]

Expect = Literal["refused", "partial", "works", "refused or works", "no crash"]

EXPECTATIONS: dict[str, frozenset[int]] = {
    "refused": frozenset({2}),
    "partial": frozenset({1}),
    "works": frozenset({0}),
    "refused or works": frozenset({0, 2}),
    "no crash": frozenset({0, 1, 2}),
}
"""Exit codes that keep the promise. `no crash` is for bytes changed at random: any honest exit code."""


@dataclass(frozen=True)
class Place:
    """Where one case is built."""

    folder: Path
    """Empty folder of the case; the command is started in it, and names of files are relative to it."""
    canary: Path
    """Folder beside it, with a secret and with files that belong to somebody else."""
    base: Path
    """Valid inputs, made once for all cases; copied or read, never changed."""
    url: str
    """Address of the case's own HTTP server, which serves `folder/served`."""
    trap: str
    """Address of another server; a connection to it is a fault."""
    random: random.Random
    """Random numbers of this case; another seed gives other ones."""


Build = Callable[[Place], Sequence[object]]
"""Write the files of a case and return the arguments of the command line."""


@dataclass(frozen=True)
class Case:
    """One hostile input."""

    kind: str
    """Row of the table: `tables`, `netcdf`, ..."""
    name: str
    """Unique, such as `tables/no-rows`; `scripts/fuzz --case NAME` repeats it."""
    build: Build
    """Writes its files, returns the command line."""
    expect: Expect = "refused"
    """What the command must do."""
    writes: tuple[str, ...] = ("out",)
    """Names, relative to the folder, below which a command that worked may write."""
    changes: tuple[str, ...] = ()
    """Names below which a command that worked may also change or remove files that were there before."""
    quiet: bool = True
    """Whether stdout must be empty after a refusal."""
    own_server: bool = False
    """Whether connections to the case's own server are allowed."""
    app: str = "timesenclip"
    """`timesenclip`, or the name of a false application of `faults.py`, by which the watch itself is tested."""
