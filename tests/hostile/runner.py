"""Run cases in one pool of warm processes: each has imported every library, and forks a process for each case.

with Pool(workers=2, seed=0) as pool:
    for result in pool.run(cases):
        print(result.name, result.outcome)
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from .case import Case
from .watch import SECRETS

__all__ = ["Pool", "Result"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """What became of one case."""

    name: str
    kind: str
    expect: str
    faults: list[tuple[str, str]] = field(default_factory=list)
    """(outcome, reason), the gravest first; empty: as promised."""
    arguments: list[str] = field(default_factory=list)
    exit_code: int | None = None
    seconds: float = 0.0
    memory_mb: float = 0.0
    stderr: str = ""

    @property
    def outcome(self) -> str:
        """Column of the table."""
        return self.faults[0][0] if self.faults else "as promised"

    @property
    def as_promised(self) -> bool:
        return not self.faults


class _Worker:
    """One warm process, asked through its standard input and output."""

    def __init__(self, environment: dict[str, str], sandbox: Path, seed: int, patience: float) -> None:
        command = [sys.executable, "-m", "tests.hostile.worker", str(sandbox), str(seed), str(patience)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, name: str, keep: str | None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"name": name, "keep": keep}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended at case '{name}' (exit code {self._process.wait()})")
        return dict(json.loads(line))

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait(timeout=30)


class Pool:
    """Warm processes and a temporary folder, both gone at the end."""

    def __init__(self, *, workers: int = 2, seed: int = 0, patience: float = 1.0) -> None:
        """Args:
        workers: processes.
        seed: of the values in the files.
        patience: factor for the limit of ten seconds, for a busy machine.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        self._workers: queue.Queue[_Worker] = queue.Queue()
        self._count = workers
        for i in range(workers):
            sandbox = self._folder / f"worker-{i}"
            sandbox.mkdir()
            self._workers.put(_Worker(_environment(sandbox), sandbox, seed, patience))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _i in range(self._count):
            self._workers.get().close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run_one(self, case: Case, *, keep: Path | None = None) -> Result:
        """Run one case; `keep` is a folder that receives its files."""
        worker = self._workers.get()
        try:
            answer = worker.ask(case.name, None if keep is None else str(keep))
        finally:
            self._workers.put(worker)
        faults = [(str(outcome), str(reason)) for outcome, reason in answer.pop("faults")]
        return Result(name=case.name, kind=case.kind, expect=case.expect, faults=faults, **answer)

    def run(self, cases: Sequence[Case]) -> Iterator[Result]:
        """Run all cases; results come in the order in which they are done."""
        todo: queue.Queue[Case] = queue.Queue()
        for case in cases:
            todo.put(case)
        done: queue.Queue[Result | BaseException] = queue.Queue()

        def work() -> None:
            while True:
                try:
                    case = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    done.put(self.run_one(case))
                except BaseException as error:
                    done.put(error)
                    return

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self._count)]
        for thread in threads:
            thread.start()
        for _case in cases:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as JSON, with their outcome."""
    return [asdict(result) | {"outcome": result.outcome} for result in results]


def _environment(sandbox: Path) -> dict[str, str]:
    """What a command finds in its environment: no home, cache or settings of the person who runs this."""
    home = sandbox / "home"
    home.mkdir()
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV") if key in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "NUMBA_CACHE_DIR": str(home / "numba"),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "120",
        "AWS_SECRET_ACCESS_KEY": SECRETS[2],
        "AWS_ACCESS_KEY_ID": "nobody",
    }
