"""What other libraries log (rasterio what GDAL says, transformers, h5py), in the same lines as our own warnings."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from timesenclip.messages import one_line

__all__ = ["library_messages_as_lines"]


class _Record(logging.LogRecord):
    """A log record whose message is one visible line, whichever handler prints it."""

    def getMessage(self) -> str:
        return one_line(super().getMessage())


class _Once(logging.Handler):
    """Prints each message once, where a library has set up no handler of its own."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = one_line(f"{record.name}: {record.getMessage()}")
        if text not in self._seen:
            self._seen.add(text)
            self._show(text)


@contextlib.contextmanager
def library_messages_as_lines(show: Callable[[str], None]) -> Iterator[None]:
    """Give `show` each logged warning once, as one line; in the lines of other handlers too nothing is raw.

    Args:
        show: prints one line.
    """
    last, factory = logging.lastResort, logging.getLogRecordFactory()
    logging.lastResort = _Once(show)
    logging.setLogRecordFactory(_Record)
    try:
        yield
    finally:
        logging.lastResort = last
        logging.setLogRecordFactory(factory)
