"""Started by tests: forks runs of the command line that meet a full disk, and after each a run that has room.

A process of its own, for `fork` needs one without threads. Prints one JSON object a failed run. Ends with an error
where something is wrong under a final name, or where the run that has room ends with other bytes than an undisturbed
one.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import geopandas
import matplotlib.pyplot
import rasterio
import torch
import xarray
import zarr.storage._local as zarr_files

import timesenclip.eo.cube.open
import timesenclip.mapping.embed_area
import timesenclip.mapping.map_area
import timesenclip.mapping.run.attempt as attempt
import timesenclip.model.checkpoint
from timesenclip.cli.commands import app

IMPORTED = (geopandas, matplotlib, rasterio, xarray, timesenclip)
"""So that a forked run need not import them."""


def main() -> None:
    what, source, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    cases = [tuple(case.split(":")) for case in sys.argv[4:]]
    torch.set_num_threads(1)
    attempt._FIRST_WAIT_S = 0.001
    command = {
        "map": ["map", source, "-p", "maize", "-p", "water", "--block", "16", "--workers", "1"],
        "embed-area": ["embed-area", source, "--dims", "64", "--block", "16", "--workers", "1"],
    }[what]
    name = {"map": "map", "embed-area": "store.zarr"}[what]
    expect(run([*command, "-o", work / "whole" / name], work / "log") == 0, (work / "log").read_text())
    expected = content(work / "whole")
    if what == "map":
        older = [source if part == source else part.replace("maize", "grassland") for part in command]
        expect(run([*older, "-o", work / "older" / name], work / "log") == 0, (work / "log").read_text())
    before = content(work / "older")
    out = work / "out"
    for kind, amount in cases:
        if what == "map":
            shutil.copytree(work / "older", out)
        code = run([*command, "-o", out / name], work / "log", kind, int(amount))
        said = {"case": [kind, int(amount)], "code": code, "stderr": (work / "log").read_text()}
        sys.stdout.write(json.dumps(said) + "\n")
        found = content(out)
        if what == "map":
            expect(code == 0 or found == before, f"{kind} {amount}: the older map was touched")
        else:
            torn = [file for file in found if found[file] != expected.get(file) and not file.endswith("zarr.json")]
            expect(not torn, f"{kind} {amount}: {torn} stand under final names")
        expect(run([*command, "-o", out / name], work / "log") == 0, (work / "log").read_text())
        found = content(out)
        differ = sorted(file for file in {*found, *expected} if found.get(file) != expected.get(file))
        expect(not differ, f"{kind} {amount}: {differ} differ after the run that had room")
        left = [path.name for path in out.rglob(".*") if path.name != ".timesenclip.json"]
        expect(not left, f"{kind} {amount}: {left} were left")
        shutil.rmtree(out)


def run(arguments: list[Any], log: Path, kind: str = "", amount: int = 0) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with log.open("w") as file:
        os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if kind == "bytes":  # of one file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (amount, resource.RLIM_INFINITY))
    elif kind == "writes":  # of all files
        fill_after(amount)
    code = 70
    try:
        app([str(argument) for argument in arguments], prog_name="timesenclip")
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def fill_after(writes: int) -> None:
    """Let the disk be full after a number of writes."""
    count = 0

    def full(function: Any) -> Any:
        def refuse(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count > writes:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*arguments, **options)

        return refuse

    os.fsync = full(os.fsync)
    zarr_files._put = full(zarr_files._put)


def content(folder: Path) -> dict[str, bytes]:
    """What stands under final names; the record of blocks holds times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") or part.endswith(".partial") for part in path.relative_to(folder).parts)
        and not path.name.endswith(".jsonl")
    }


def expect(fine: bool, text: str) -> None:
    if not fine:
        sys.exit(text)


if __name__ == "__main__":
    main()
