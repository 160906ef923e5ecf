"""What other libraries log (rasterio what GDAL says, transformers, h5py), in the same lines as our own warnings."""

from __future__ import annotations

import contextlib
import logging
import threading
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
    last, factory, hook = logging.lastResort, logging.getLogRecordFactory(), threading.excepthook

    def thread_ended(error: threading.ExceptHookArgs) -> None:
        if isinstance(error.exc_value, OSError):  # such as a full disk for TensorBoard, whose next call raises it, too
            show(one_line(str(error.exc_value)))
        else:
            hook(error)

    threading.excepthook = thread_ended
    logging.lastResort = _Once(show)
    logging.setLogRecordFactory(_Record)
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.lastResort = last
        logging.setLogRecordFactory(factory)
