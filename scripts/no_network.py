"""A `sitecustomize` that refuses network connections; for scripts/wheel where `unshare --net` is not permitted."""

from __future__ import annotations

import socket
from typing import Any, NoReturn


def _refuse(*_args: Any, **_options: Any) -> NoReturn:
    raise OSError("the network is off: this run must work offline")


socket.socket.connect = _refuse  # type: ignore[method-assign,assignment]
socket.socket.connect_ex = _refuse  # type: ignore[method-assign,assignment]
socket.getaddrinfo = _refuse
