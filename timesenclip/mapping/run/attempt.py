"""Run one block with one thread of torch; errors of reading and writing are retried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

from timesenclip.grid import Window
from timesenclip.mapping.run.facts import BlockFacts
from timesenclip.retries import with_retries

__all__ = ["BlockJob", "attempt_block", "one_torch_thread"]

_FIRST_WAIT_S = 0.5
_RETRIES = 2


class BlockJob(Protocol):
    """What all blocks of a job share; it can be sent to another process."""

    def run(self, window: Window) -> BlockFacts:
        """Do one block, and return what is known of it."""

    def is_done(self, window: Window, facts: BlockFacts) -> bool:
        """Whether the output of a block that was recorded as done is still there."""


def attempt_block(job: BlockJob, window: Window) -> BlockFacts:
    """Do one block; it is tried again twice where an input or output fails.

    Raises:
        OSError: the last attempt failed, too.
        Exception: any other error, after the first attempt: it would occur again.
    """
    # A worker of a cluster has its own number of threads; with one, sums are the same everywhere.
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    # rasterio's, zarr's and h5py's errors of input and output are OSErrors.
    return with_retries(lambda _: job.run(window), retries=_RETRIES, errors=(OSError,), wait_s=_FIRST_WAIT_S)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread while blocks run beside each other; the last bits of sums depend on the number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
