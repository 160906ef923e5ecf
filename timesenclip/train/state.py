"""The folder of a run: its lock, its saved state, and its log, which a resumed run continues without repeated lines."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from timesenclip.errors import InputError, RunStoppedError
from timesenclip.files import atomic_file, file_lock, naming, write_bytes
from timesenclip.messages import shorten_error

__all__ = ["RunLog", "load_state", "locked", "save_state"]

_STATE, _LOCK = "state.pt", ".lock"
_OWNER = ".lock-owner"
"""Holds the number of the process that has the lock: what is locked cannot be read on Windows."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder of a run for this process; the lock ends with the process.

    Raises:
        InputError: another process trains in the folder.
    """
    owner, process = folder / _OWNER, ""
    with _without_empty(folder), file_lock(folder / _LOCK) as free:
        if not free:
            with contextlib.suppress(OSError):
                process = owner.read_text(encoding="utf-8")
            raise InputError(
                f"Another run (process {process or 'unknown'}) trains in '{folder}'; wait for it, or give another "
                "folder with -o."
            )
        owner.write_text(str(os.getpid()), encoding="utf-8")
        try:
            yield
        finally:
            owner.unlink(missing_ok=True)


@contextlib.contextmanager
def _without_empty(folder: Path) -> Iterator[None]:
    """Remove the folders that were made meanwhile and are still empty: a run that is refused leaves none."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not empty
            for path in new:
                path.rmdir()


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a state under a temporary name and rename it, so that the previous state is kept until then.

    Raises:
        RunStoppedError: the state cannot be written.
    """
    try:
        with atomic_file(folder / _STATE) as file:
            torch.save(dict(state), file)
    except (OSError, RuntimeError) as error:  # torch's zip writer turns a full disk into a RuntimeError
        kept = "the state saved before is kept" if (folder / _STATE).is_file() else "no state was saved yet"
        raise RunStoppedError(
            f"Cannot save step {state.get('step')} in '{folder}' ({shorten_error(error)}); {kept}. Make room "
            "and run the "
            "same command."
        ) from error


def load_state(folder: Path, *, digest: str) -> dict[str, Any] | None:
    """Read the state of a folder; None if it has none.

    Raises:
        InputError: the state belongs to another recipe or cannot be read.
    """
    file = folder / _STATE
    if not file.is_file():
        return None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise InputError(f"'{file}' cannot be read ({shorten_error(error)}); remove it to start again.") from error
    if state.get("digest") != digest:
        raise InputError(
            f"'{folder}' holds a run of another recipe (digest {state.get('digest')}, this one {digest}); give "
            f"another folder with -o, or the recipe in '{folder / 'recipe.yaml'}'."
        )
    return dict(state)


class RunLog:
    """`metrics.csv`, and TensorBoard if installed; a resumed run removes lines that were logged after its state."""

    _FIELDS = ("step", "epoch", "loss", "scale", "learning_rate", "samples_per_s", "s2g", "g2s", "selection")

    def __init__(self, folder: Path, *, step: int, terms: Sequence[str] = ()) -> None:
        """Open the log of a run that continues from `step`; `terms` are further columns."""
        self._fields = (*self._FIELDS, *terms)
        self._file = folder / "metrics.csv"
        rows = self._rows_until(step)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._fields)
        writer.writeheader()
        writer.writerows(rows)
        write_bytes(self._file, text.getvalue().encode())
        self._board = _tensorboard(folder / "tensorboard", step)

    def _rows_until(self, step: int) -> list[dict[str, str]]:
        if not self._file.is_file():
            return []
        with self._file.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]  # a killed process cuts its line
        return [row for row in rows if row["step"].isdigit() and int(row["step"]) <= step]

    def add(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Append one line."""
        with naming(self._file), self._file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._fields).writerow({"step": step, "epoch": epoch, **values})
        if self._board is not None:
            with naming(self._file.with_name("tensorboard")):
                for name, value in values.items():
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the log of TensorBoard."""
        if self._board is not None:
            with naming(self._file.with_name("tensorboard")):
                self._board.close()


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
