"""A warm process of the pool: imports everything once, then forks one process for each case and watches it.

Started by `runner.Pool`. One JSON line in (`name`, `keep`), one JSON line out.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import watch
from .base import make_base
from .case import Case, Place
from .faults import APPS, fault_cases
from .kinds import all_cases
from .server import Servers

_LIBRARIES = """
    torch pandas pyarrow.parquet pyarrow.dataset rasterio rasterio.features rasterio.warp xarray zarr h5py h5netcdf
    model2vec sklearn.linear_model sklearn.ensemble matplotlib.pyplot matplotlib.backends.backend_agg
    matplotlib.backends.backend_svg geopandas pyogrio shapely pyproj numba lightning transformers
    transformers.models.auto PIL.Image pystac_client dask.array pydantic tokenizers scipy.interpolate requests yaml
    safetensors.torch safetensors.numpy rich.console rich.table rich.progress filelock tensorboard
    concurrent.futures.thread concurrent.futures.process multiprocessing.pool xml.etree.ElementTree pystac
    torch.utils.tensorboard encodings.idna encodings.latin_1 encodings.utf_16 planetary_computer
"""


def main() -> None:
    """Serve cases until standard input ends."""
    sandbox, seed, patience = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _import_everything()
    cases = {case.name: case for case in (*all_cases(), *fault_cases())}
    (sandbox / "cases").mkdir()
    servers = Servers(sandbox / "cases")
    _forked(lambda: make_base(sandbox / "base"), sandbox / "base.log")
    gc.collect()
    gc.freeze()
    try:
        for line in sys.stdin:
            asked = json.loads(line)
            run = _Run(cases[asked["name"]], sandbox, servers, seed, patience)
            answers.write(json.dumps(run.answer(asked["keep"])) + "\n")
            answers.flush()
    finally:
        servers.close()


def _import_everything() -> None:
    """Import the package, all its modules and what they import later, without starting a thread."""
    import timesenclip

    for module in pkgutil.walk_packages(timesenclip.__path__, "timesenclip."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _LIBRARIES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    threads = [thread.name for thread in threading.enumerate()]
    if len(threads) > 1:
        raise RuntimeError(f"threads before the first fork: {threads}")


def _forked(work: Callable[[], object], log: Path) -> None:
    """Do something in a forked process, with its output in a file; raises if it fails."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            work()
            code = 0
        except BaseException:
            os.write(2, traceback.format_exc().encode(errors="replace"))
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(log.read_text(errors="replace")[-4000:])


class _Run:
    """One case: its folders, its two processes, and what was seen."""

    def __init__(self, case: Case, sandbox: Path, servers: Servers, seed: int, patience: float) -> None:
        self.case, self.servers = case, servers
        self.limit_s = watch.SECONDS * patience
        self.folder = sandbox / "cases" / re.sub(r"\W+", "-", case.name)
        self.work, self.canary, self.tmp = (self.folder / name for name in ("work", "canary", "tmp"))
        self.place = Place(
            folder=self.work,
            canary=self.canary,
            base=sandbox / "base",
            url=f"http://127.0.0.1:{servers.port}/{self.folder.name}",
            trap=f"http://127.0.0.1:{servers.trap_port}",
            random=random.Random(f"{seed}:{case.name}"),
        )

    def answer(self, keep: str | None) -> dict[str, Any]:
        """Build, run, judge, clean up."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in (self.work, self.canary, self.tmp):
            folder.mkdir(parents=True)
        _write_canary(self.canary)
        try:
            arguments = self._build()
        except RuntimeError as error:
            return {"faults": [("broken case", str(error)[-600:])], "arguments": []}
        finally:
            if keep:
                shutil.copytree(self.work, Path(keep), symlinks=True, dirs_exist_ok=True, ignore=_special_files)
        seen = self._observe(arguments)
        faults = watch.judge(self.case, seen, arguments)
        shutil.rmtree(self.folder, ignore_errors=True)
        return {
            "faults": faults,
            "arguments": arguments,
            "exit_code": seen.exit_code,
            "seconds": round(seen.seconds, 3),
            "memory_mb": round(seen.memory_mb),
            "stderr": seen.stderr.decode(errors="backslashreplace")[-2000:],
        }

    def _build(self) -> list[str]:
        told = self.folder / "arguments.json"

        def work() -> None:
            os.chdir(self.work)
            told.write_text(json.dumps([str(part) for part in self.case.build(self.place)]))

        _forked(work, self.folder / "build.log")
        return list(json.loads(told.read_text()))

    def _observe(self, arguments: list[str]) -> watch.Observed:
        seen = watch.Observed()
        before, canary_before = watch.snapshot(self.work), watch.snapshot(self.canary)
        guard = watch.FolderWatch(self.canary)
        self.servers.trapped()
        began = time.monotonic()
        own_mb = _resident_mb(os.getpid())
        pid = os.fork()
        if pid == 0:
            self._command(arguments)
        self._wait(pid, began, own_mb, seen)
        seen.canary = guard.names()
        guard.close()
        seen.sockets += [f"trapped: {line}" for line in self.servers.trapped()]
        after, canary_after = watch.snapshot(self.work), watch.snapshot(self.canary)
        seen.new = sorted(set(after) - set(before))
        seen.gone = sorted(set(before) - set(after))
        seen.changed = sorted(name for name in set(before) & set(after) if before[name] != after[name])
        seen.canary += sorted(
            f"../canary/{name}"
            for name in {*canary_before, *canary_after}
            if canary_before.get(name) != canary_after.get(name)
        )
        if not (seen.hang or seen.too_much_memory or seen.signal):
            seen.new += [f"$TMPDIR/{name}" for name in watch.snapshot(self.tmp)]
        seen.stdout, seen.stderr = (self._read(name) for name in ("stdout", "stderr"))
        for line in self._read("notes").decode(errors="replace").splitlines():
            field, text = json.loads(line)
            getattr(seen, field).append(text)
        seen.secrets = list(self._secrets(seen))
        return seen

    def _read(self, name: str) -> bytes:
        file = self.folder / name
        return file.read_bytes() if file.exists() else b""

    def _secrets(self, seen: watch.Observed) -> Iterator[str]:
        texts: dict[str, bytes] = {"stdout": seen.stdout, "stderr": seen.stderr}
        for name in (*seen.new, *seen.changed):
            file = self.work / name
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 64 << 20:
                texts[name] = file.read_bytes()
        for name, content in texts.items():
            for secret in watch.SECRETS:
                if secret.encode() in content or secret in name:
                    yield f"{secret} in {name}"

    def _command(self, arguments: list[str]) -> None:
        """In the forked process: become the command line; never returns."""
        os.setsid()
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            notes = self._streams()
            ports = frozenset({self.servers.port}) if self.case.own_server else frozenset()
            self._environment()
            os.chdir(self.work)
            sys.argv = ["timesenclip", *arguments]
            sys.modules["__main__"].__package__ = None  # from which click would guess another name of the program
            sentry = watch.Sentry(notes, ports)
            sentry.start()
            code = _called(APPS[self.case.app], arguments)
            sentry.stop()
        except BaseException:
            os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        finally:
            os._exit(code)

    def _streams(self) -> int:
        """Standard streams to files, also for C libraries; returns the descriptor of the notes."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        handles = [os.open(self.folder / name, flags) for name in ("stdout", "stderr", "notes")]
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(handles[0], 1)
        os.dup2(handles[1], 2)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
        )
        return handles[2]

    def _environment(self) -> None:
        os.environ["TMPDIR"] = str(self.tmp)
        tempfile.tempdir = None
        trap = f"http://127.0.0.1:{self.servers.trap_port}"
        # C libraries are not seen by Python's audit hooks; curl sends what leaves this machine to the trap.
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"):
            os.environ[name] = trap
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"

    def _wait(self, pid: int, began: float, own_mb: float, seen: watch.Observed) -> None:
        tasks = Path(f"/proc/{pid}/task/{pid}/children")
        while True:
            done, status, usage = os.wait4(pid, os.WNOHANG)
            seen.seconds = time.monotonic() - began
            if done:
                break
            grown = _resident_mb(pid) - own_mb
            if seen.seconds > self.limit_s or grown > watch.MEMORY_MB:
                seen.hang, seen.too_much_memory = grown <= watch.MEMORY_MB, grown > watch.MEMORY_MB
                _kill(pid)
                _, status, usage = os.wait4(pid, 0)
                break
            with contextlib.suppress(OSError):
                if tasks.read_text().strip():
                    seen.children.append("a process of /proc")
            time.sleep(0.004 if seen.seconds < 1 else 0.02)
        _kill(pid)  # what it may have left behind in its session
        seen.children = sorted(set(seen.children))
        seen.memory_mb = usage.ru_maxrss / 1024 - own_mb
        seen.too_much_memory |= seen.memory_mb > watch.MEMORY_MB
        if os.WIFEXITED(status):
            seen.exit_code = os.WEXITSTATUS(status)
        else:
            seen.signal = os.WTERMSIG(status)


def _called(app: Callable[[list[str]], object], arguments: list[str]) -> int:
    """Run an application as Python runs a program: exit code, traceback, threads and exit handlers."""
    code = 0
    try:
        app(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)
    except (OSError, IndexError):
        return 0.0


def _write_canary(folder: Path) -> None:
    (folder / "secret.txt").write_text(watch.SECRETS[0] + "\n")
    (folder / "secret.json").write_text(json.dumps({"secret": watch.SECRETS[0]}))
    (folder / "secret.yaml").write_text(f"secret: {watch.SECRETS[0]}\n")
    (folder / "keep").mkdir()
    (folder / "keep" / "thesis.txt").write_text("years of work\n")


def _special_files(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (Path(folder) / name).is_file() and not (Path(folder) / name).is_dir()]


if __name__ == "__main__":
    main()
