"""Ways to break any file: cut it, change bytes, replace it by something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .case import Place

__all__ = ["BREAKAGES", "HOSTILE_TEXT", "cut", "flip", "nested_json"]

Breakage = Callable[[Path, Place], None]

HOSTILE_TEXT = "\x1b[31mred\x1b]0;title\x07\x9b2J\r\x00 tail"
"""Escapes that a terminal would obey, and a NUL."""


def cut(path: Path, place: Place) -> None:
    """Keep a random part of the beginning."""
    data = path.read_bytes()
    path.write_bytes(data[: place.random.randrange(1, max(2, len(data)))])


def flip(path: Path, place: Place) -> None:
    """Change up to 20 random bytes."""
    data = bytearray(path.read_bytes())
    for _ in range(place.random.randint(1, 20)):
        data[place.random.randrange(len(data))] = place.random.randrange(256)
    path.write_bytes(bytes(data))


def flip_head(path: Path, place: Place) -> None:
    """Change a few of the first 400 bytes, where formats have their headers."""
    data = bytearray(path.read_bytes())
    for _ in range(place.random.randint(1, 6)):
        data[place.random.randrange(min(400, len(data)))] = place.random.randrange(256)
    path.write_bytes(bytes(data))


def _replaced(content: Callable[[Place], bytes]) -> Breakage:
    def breakage(path: Path, place: Place) -> None:
        path.unlink()
        path.write_bytes(content(place))

    return breakage


def _folder(path: Path, _: Place) -> None:
    path.unlink()
    path.mkdir()


def _gone(path: Path, _: Place) -> None:
    path.unlink()


def _fifo(path: Path, _: Place) -> None:
    path.unlink()
    os.mkfifo(path)


def _broken_link(path: Path, _: Place) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _loop(path: Path, _: Place) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _device(path: Path, _: Place) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def nested_json(depth: int) -> str:
    """Lists in lists."""
    return "[" * depth + "]" * depth


BREAKAGES: dict[str, Breakage] = {
    "empty file": _replaced(lambda _: b""),
    "random bytes": _replaced(lambda place: place.random.randbytes(place.random.randint(10, 5000))),
    "zeros": _replaced(lambda _: bytes(4096)),
    "a web page": _replaced(lambda _: b"<!DOCTYPE html><html><body>404 not found</body></html>\n"),
    "a folder": _folder,
    "gone": _gone,
    "a pipe": _fifo,
    "a broken link": _broken_link,
    "a link to itself": _loop,
    "an endless device": _device,
    "cut short": cut,
}
"""After each of these a file is unusable."""
