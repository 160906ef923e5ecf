"""Run independent pieces beside each other: in threads of this process, or on a Dask cluster, with the same result.

At any time only a few pieces are under way, so that neither memory nor the scheduler's list grows with the area.
"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from timesenclip.errors import InputError, TimeSenCLIPWarning
from timesenclip.extras import require
from timesenclip.messages import reason_of
from timesenclip.settings import cpu_count

__all__ = ["Outcome", "Spread", "spread_over", "worker_count"]

Piece = TypeVar("Piece")
_PER_WORKER = 2
"""Pieces under way for each worker of a cluster: one that runs and one that waits."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one piece went."""

    piece: Any
    """What was to be done."""
    facts: dict[str, Any] | None
    """What it said; None where it failed."""
    error: BaseException | None
    """Why it failed."""
    remote: bool = False
    """Whether it ran in another process, whose warnings nobody hears."""


class Spread(Protocol):
    """Calls `job.run(piece)` for many pieces and yields how each went, in the order in which they end."""

    def __call__(self, job: Any, pieces: Iterable[Any]) -> Iterator[Outcome]:
        """Run; an iterator that is left early stops handing out pieces."""


def spread_over(workers: int | None, dask: str | None) -> AbstractContextManager[Spread]:
    """Where pieces run.

    Args:
        workers: threads of this process; default: one a core.
        dask: `tcp://host:port` of a scheduler, or `local:N` for N processes of this machine; instead of threads.

    Raises:
        InputError: neither can be understood, or the scheduler does not answer.
        MissingExtraError: dask.distributed is not installed.
    """
    if dask is not None:
        return _dask(dask)
    count = cpu_count() if workers is None else workers
    if count < 1:
        raise InputError(f"{count} workers; expected 1 or more.")
    return _threads(count)


def worker_count(workers: int | None, dask: str | None) -> int:
    """How many pieces run beside each other; arguments and errors as `spread_over`."""
    if dask is None:
        return workers or cpu_count()
    if dask.startswith("local:"):
        return _processes(dask)
    with _client(dask, _distributed()) as client:
        return max(1, int(sum(client.nthreads().values())))


@contextmanager
def _threads(count: int) -> Iterator[Spread]:
    with ThreadPoolExecutor(count, thread_name_prefix="block") as pool:

        def spread(job: Any, pieces: Iterable[Any]) -> Iterator[Outcome]:
            yield from _bounded(lambda piece: pool.submit(job.run, piece), pieces, count)

        try:
            yield spread
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _bounded(submit: Callable[[Piece], Future[Any]], pieces: Iterable[Piece], limit: int) -> Iterator[Outcome]:
    waiting = iter(pieces)
    running: dict[Future[Any], Piece] = {submit(piece): piece for piece in islice(waiting, limit)}
    while running:
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            piece = running.pop(future)
            error = future.exception()
            outcome = Outcome(piece, None if error else future.result(), error)
            running.update({submit(piece): piece for piece in islice(waiting, 1)})
            yield outcome


@contextmanager
def _dask(address: str) -> Iterator[Spread]:
    distributed = _distributed()
    if address.startswith("local:"):
        count = _processes(address)
        layout: dict[str, Any] = {"n_workers": count, "threads_per_worker": 1, "processes": True}
        # Any free port: without a dashboard, too, the scheduler opens 8787, and warns where another cluster has it.
        layout |= {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
        with distributed.LocalCluster(**layout) as cluster, distributed.Client(cluster) as client:
            yield _on_client(client, distributed.as_completed)
        return
    with _client(address, distributed) as client:
        yield _on_client(client, distributed.as_completed)


def _distributed() -> Any:
    return require("distributed", "distributed", needed_by="Dask clusters")


def _processes(address: str) -> int:
    """N of `local:N`."""
    count = address.removeprefix("local:")
    if not count.isdigit() or int(count) < 1:
        raise InputError(f"--dask {address}: expected local:N with a number of processes, such as local:4.")
    return int(count)


def _client(address: str, distributed: Any) -> Any:
    """A client of a cluster that is there already."""
    if "://" not in address:
        raise InputError(f"--dask {address}: expected tcp://host:port of a scheduler, or local:N.")
    try:
        return distributed.Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--dask {address}: no scheduler answers ({reason_of(error)}); start one, or use local:N."
        ) from error


def _on_client(client: Any, as_completed: Any) -> Spread:
    def spread(job: Any, pieces: Iterable[Any]) -> Iterator[Outcome]:
        # Every worker gets its own copy of the job: losing one worker does not lose the job with it.
        shared = client.scatter(job, broadcast=True, hash=False)
        waiting = iter(pieces)
        limit = _PER_WORKER * max(1, sum(client.nthreads().values()))
        piece_of = {_submit(client, shared, piece): piece for piece in islice(waiting, limit)}
        ending = as_completed(list(piece_of))
        for future in ending:
            piece = piece_of.pop(future)
            error = future.exception() if future.status == "error" else None
            if future.cancelled():
                error = RuntimeError("cancelled by the cluster; all workers may have been lost")
            facts = None if error else future.result()
            future.release()
            for more in islice(waiting, 1):
                following = _submit(client, shared, more)
                piece_of[following] = more
                ending.add(following)
            yield Outcome(piece, facts, error, remote=True)

    return spread


def _submit(client: Any, shared: Any, piece: Any) -> Any:
    return client.submit(_run, shared, piece, pure=False)


def _run(job: Any, piece: Any) -> Any:
    if multiprocessing.parent_process() is not None:  # what a block met with comes back, and is said where we run
        warnings.filterwarnings("ignore", category=TimeSenCLIPWarning)
    return job.run(piece)
