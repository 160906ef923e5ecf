"""Run independent blocks beside each other: in threads of this process, or on a Dask cluster, with the same result.

At any time only a few blocks are under way, so that neither memory nor the scheduler's list grows with the area.
"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from timesenclip.errors import InputError, TimeSenCLIPWarning
from timesenclip.extras import require
from timesenclip.grid import Window
from timesenclip.mapping.run.attempt import BlockJob, attempt_block
from timesenclip.mapping.run.facts import BlockFacts
from timesenclip.messages import shorten_error
from timesenclip.settings import cpu_count

__all__ = ["BlockResult", "Executor", "open_executor", "worker_count"]

_PER_WORKER = 2
"""Blocks under way for each worker of a cluster: one that runs and one that waits."""


@dataclass(frozen=True, slots=True)
class BlockResult:
    """The outcome of one block."""

    window: Window
    """The block."""
    facts: BlockFacts | None
    """What is known of it; None where it failed."""
    error: BaseException | None
    """Why it failed."""
    remote: bool = False
    """Whether it ran in another process, whose warnings do not reach this one."""


class Executor(Protocol):
    """Runs blocks of a job and yields the outcome of each, in the order in which they end."""

    def __call__(self, job: BlockJob, windows: Iterable[Window]) -> Iterator[BlockResult]:
        """Run the blocks; an iterator that is left early starts no more of them."""


def open_executor(workers: int | None, dask: str | None) -> AbstractContextManager[Executor]:
    """Open an executor in which blocks run.

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
    """How many blocks run beside each other; arguments and errors as `open_executor`."""
    if dask is None:
        return workers or cpu_count()
    if dask.startswith("local:"):
        return _processes(dask)
    with _client(dask, _distributed()) as client:
        return max(1, int(sum(client.nthreads().values())))


@contextmanager
def _threads(count: int) -> Iterator[Executor]:
    with ThreadPoolExecutor(count, thread_name_prefix="block") as pool:

        def execute(job: BlockJob, windows: Iterable[Window]) -> Iterator[BlockResult]:
            yield from _bounded(lambda window: pool.submit(attempt_block, job, window), windows, count)

        try:
            yield execute
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _bounded(
    submit: Callable[[Window], Future[BlockFacts]], windows: Iterable[Window], limit: int
) -> Iterator[BlockResult]:
    waiting = iter(windows)
    running = {submit(window): window for window in islice(waiting, limit)}
    while running:
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            window = running.pop(future)
            error = future.exception()
            result = BlockResult(window, None if error else future.result(), error)
            running.update({submit(following): following for following in islice(waiting, 1)})
            yield result


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
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
    """A client of a cluster that runs already."""
    if "://" not in address:
        raise InputError(f"--dask {address}: expected tcp://host:port of a scheduler, or local:N.")
    try:
        return distributed.Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--dask {address}: no scheduler answers ({shorten_error(error)}); start one, or use local:N."
        ) from error


def _on_client(client: Any, as_completed: Any) -> Executor:
    def execute(job: BlockJob, windows: Iterable[Window]) -> Iterator[BlockResult]:
        # Every worker gets its own copy of the job: losing one worker does not lose the job with it.
        shared = client.scatter(job, broadcast=True, hash=False)
        waiting = iter(windows)
        limit = _PER_WORKER * max(1, sum(client.nthreads().values()))
        window_of = {_submit(client, shared, window): window for window in islice(waiting, limit)}
        ending = as_completed(list(window_of))
        for future in ending:
            window = window_of.pop(future)
            error = future.exception() if future.status == "error" else None
            if future.cancelled():
                error = RuntimeError("cancelled by the cluster; all workers may have been lost")
            facts = None if error else future.result()
            future.release()
            for following in islice(waiting, 1):
                submitted = _submit(client, shared, following)
                window_of[submitted] = following
                ending.add(submitted)
            yield BlockResult(window, facts, error, remote=True)

    return execute


def _submit(client: Any, shared: Any, window: Window) -> Any:
    return client.submit(_attempt_remotely, shared, window, pure=False)


def _attempt_remotely(job: BlockJob, window: Window) -> BlockFacts:
    if multiprocessing.parent_process() is not None:  # `run_blocks` repeats the warnings, from the facts of the block
        warnings.filterwarnings("ignore", category=TimeSenCLIPWarning)
    return attempt_block(job, window)
