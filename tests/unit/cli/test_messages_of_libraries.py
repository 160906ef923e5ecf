"""What libraries log comes out as one visible line, once."""

from __future__ import annotations

import logging
import threading

import pytest

from timesenclip.cli.messages_of_libraries import library_messages_as_lines


def test_a_logged_warning_is_one_line_given_once() -> None:
    said: list[str] = []
    logger = logging.Logger("rasterio._err")  # without handlers, and not below the root logger of the tests
    last = logging.lastResort
    with library_messages_as_lines(said.append):
        for _ in range(2):
            logger.warning("%s: not\x1b[2J\na TIFF of https://h/x?sig=CANARY", "x.tif")
        logger.info("not shown")
    assert said == ["rasterio._err: x.tif: not\\x1b[2J a TIFF of https://h/x?..."]
    assert logging.lastResort is last


def test_lines_of_other_handlers_hold_nothing_raw(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("transformers")
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    with library_messages_as_lines(print):
        logger.warning("a\x1b\u202e" + "x" * 1000)
    line = capsys.readouterr().err.strip()
    assert line.startswith("a\\x1b\\u202exxx")
    assert line.isprintable()
    assert len(line) <= 400


def test_a_full_disk_in_a_thread_of_a_library_is_one_line_and_a_bug_is_not() -> None:
    said: list[str] = []
    others: list[object] = []
    hook, threading.excepthook = threading.excepthook, others.append

    def end(error: Exception) -> None:
        raise error

    try:
        with library_messages_as_lines(said.append):
            for error in (OSError(28, "No space left on device"), ValueError("bug")):
                thread = threading.Thread(target=end, args=(error,))
                thread.start()
                thread.join()
        assert threading.excepthook == others.append
    finally:
        threading.excepthook = hook
    assert said == ["[Errno 28] No space left on device"]
    assert len(others) == 1
