"""The HTTP servers of the cases: one that serves what a case wrote, and a trap that notes every connection.

`GET /CASE/...` answers with files of the case's folder `served`: `/CASE/` with `index.json`, `/CASE/search` (GET or
POST) with `search.json`. A file `NAME.answer` (JSON) beside a file changes its answer: `status`, `headers`, `sleep_s`
before it, `endless` (bytes without end), `cut` (bytes after which the connection breaks).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["Servers"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        case, _, rest = path.lstrip("/").partition("/")
        name = {"": "index.json", "search": "search.json"}.get(rest.strip("/"), rest)
        file = self.server.folder / case / "work" / "served" / name
        how: dict[str, Any] = {}
        special = file.with_name(file.name + ".answer")
        if special.is_file():
            how = json.loads(special.read_text())
        time.sleep(how.get("sleep_s", 0))
        if how.get("endless"):
            return self._endless()
        if not file.is_file():
            return self._send(how.get("status", 404), b"{}", how)
        return self._file(file.read_bytes(), how)

    def _file(self, data: bytes, how: dict[str, Any]) -> None:
        total = len(data)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and "status" not in how and int(wanted[1]) < total:
            start, stop = int(wanted[1]), min(int(wanted[2] or total - 1), total - 1)
            how = {"status": 206, **how}
            how["headers"] = {"Content-Range": f"bytes {start}-{stop}/{total}"} | how.get("headers", {})
            data = data[start : stop + 1]
        self._send(how.get("status", 200), data, how)

    def _send(self, status: int, data: bytes, how: dict[str, Any]) -> None:
        self.send_response(status)
        kind = "image/tiff" if self.path.endswith((".tif", ".jp2")) else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(len(data)), "Accept-Ranges": "bytes"}
        for key, value in (headers | how.get("headers", {})).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: how.get("cut")])
        if "cut" in how:
            self.close_connection = True

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b'{"a": 1, ' * 8192)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    folder: Path

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Trap(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Servers:
    """Both servers in a process of their own, so that the process that forks has no threads."""

    def __init__(self, folder: Path) -> None:
        """Args: the folder that holds a folder for each case."""
        self._log = folder.with_name(f"{folder.name}-trap.log")
        self._log.touch()
        http = _Http(("127.0.0.1", 0), _Handler, bind_and_activate=True)
        http.folder = folder
        log = self._log

        class Note(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(1)
                with contextlib.suppress(OSError), log.open("ab") as file:
                    file.write(self.request.recv(200).split(b"\r\n")[0] + b"\n")

        trap = _Trap(("127.0.0.1", 0), Note)
        self.port, self.trap_port = http.server_address[1], trap.server_address[1]
        self._pid = os.fork()
        if self._pid == 0:
            try:
                ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the process that forks
                threading.Thread(target=trap.serve_forever, daemon=True).start()
                http.serve_forever()
            finally:
                os._exit(0)
        http.socket.close()
        trap.socket.close()

    def trapped(self) -> list[str]:
        """First lines of what was sent to the trap since the last call."""
        lines = self._log.read_bytes().decode(errors="replace").splitlines()
        self._log.write_bytes(b"")
        return [line[:100] for line in lines]

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
