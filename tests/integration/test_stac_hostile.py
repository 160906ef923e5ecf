"""A catalogue that wants our files and our network, through the command line: refused in one line, nothing read."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.eo.stac import api, remote

from .stac_world import SHOTS, SIZE, A, Server, item, serve, write_cog

SHOT = SHOTS[0]
BOX = ",".join(map(str, A.bounds))
SECRET = 7777

_watch: dict[str, Any] = {"on": False, "opened": [], "connected": []}


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _watch["on"]:
        return
    if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
        _watch["opened"].append(os.fsdecode(args[0]))
    elif event == "socket.connect":
        _watch["connected"].append(args[1])


sys.addaudithook(_audit)


class _Trap(ThreadingHTTPServer):
    """A server of the internal network; whoever asks it has been led astray."""

    daemon_threads = True

    def __init__(self) -> None:
        asked = self.asked = list[str]()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()

            do_HEAD = do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet."""

        super().__init__(("127.0.0.2", 0), Answer)


@pytest.fixture(scope="module")
def trap() -> Iterator[_Trap]:
    server = _Trap()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A readable raster that no catalogue may have us read."""
    path = tmp_path / "canary" / "secret.tif"
    write_cog(path, np.full((SIZE, SIZE), SECRET, dtype=np.uint16), A, 10)
    return path


@pytest.fixture
def hostile(world: Path) -> Iterator[Server]:
    """The server with one scene."""
    with serve(world, (SHOT,)) as server:
        yield server


@pytest.fixture
def refused(run, hostile: Server, trap: _Trap, canary: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Run `map` on the hostile catalogue and check that it ends in one line, without anything read; gives the line."""

    def check(*more: object, command: str = "map") -> str:
        ask = [] if command == "embed-area" else ["-p", "maize"]
        out = tmp_path / "out"
        _watch.update(on=True, opened=[], connected=[])
        try:
            said = run(
                command, "--aoi", BOX, "--period", "2021-11", "--catalog", hostile.url, *ask, "-o", out, *more
            )  # fmt: skip
        finally:
            _watch["on"] = False
        assert said.exit_code == 2, said.output
        lines = [line for line in said.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, said.stderr
        assert "Traceback" not in said.output
        assert said.stdout == ""
        assert [path.name for path in out.glob("*") if not path.name.startswith(".")] == []
        assert str(canary) not in _watch["opened"]
        assert {address[0] for address in _watch["connected"]} <= {"127.0.0.1"}
        assert trap.asked == []
        return lines[0]

    yield check
    trap.asked.clear()


def names(server: Server, href: object, band: str = "B04") -> None:
    server.items[0]["assets"][band]["href"] = href


HREFS = {
    "a file": ("file://{canary}", "file of this machine"),
    "a file in capitals": ("FILE://{canary}", "file of this machine"),
    "an archive": ("/vsizip/{canary}", "virtual files"),
    "an archive of a host": ("/vsizip//vsicurl/{trap}/a.zip/x.tif", "virtual files"),
    "a virtual file in a query": ("{home}/files/x.tif?at=/vsizip/{canary}", "virtual files"),
    "a subset": ("/vsisubfile/0_100,{canary}", "virtual files"),
    "a dataset as text": ("<VRTDataset><SourceFilename>{canary}</SourceFilename></VRTDataset>", "written as text"),
    "another driver": ("NETCDF:{canary}:x", "is not read"),
    "a directory of a file": ("GTIFF_DIR:1:{canary}", "is not read"),
    "vrt": ("vrt://{canary}", "is not read"),
    "a derived dataset": ("DERIVED_SUBDATASET:AMPLITUDE:{canary}", "is not read"),
    "another host": ("{trap}/x.tif", "internal network"),
    "another host, as a number": ("http://2130706434:{port}/x.tif", "no usual form"),
    "another host, in parts": ("http://0x7f.2:{port}/x.tif", "no usual form"),
    "another host behind a user": ("http://public@127.0.0.2:{port}/x.tif", "user name"),
    "another host without a scheme": ("//127.0.0.2:{port}/x.tif", "internal network"),
    "another host in six": ("http://[::ffff:127.0.0.2]:{port}/x.tif", "internal network"),
    "the metadata of a cloud": ("http://169.254.169.254/latest/meta-data/", "internal network"),
    "a second header": ("{home}/x.tif\r\nHost: inside", "control characters"),
    "too long": ("{home}/" + "x" * 5000, "characters"),
    "a way out of a bucket": ("s3://bucket/../../{canary}", "no file in a bucket"),
}


@pytest.mark.parametrize("case", HREFS)
def test_an_item_that_names_what_it_may_not_is_refused(
    case: str, hostile: Server, refused: Callable[..., str], trap: _Trap, canary: Path
) -> None:
    href, why = HREFS[case]
    port = trap.server_port
    places = {"canary": str(canary), "home": hostile.url, "trap": f"http://127.0.0.2:{port}", "port": str(port)}
    for name, value in places.items():
        href = href.replace(f"{{{name}}}", value)
    names(hostile, href)
    said = refused()
    assert why in said
    assert SHOT.id in said
    assert "for B04" in said
    assert not [path for path in hostile.asked if path.startswith("/files/")]  # refused before anything is read


def test_paths_are_addresses_of_the_server(hostile: Server, refused: Callable[..., str], canary: Path) -> None:
    for href in (str(canary), f"../../../..{canary}"):
        names(hostile, href, "SCL")
        assert "404" in refused()
        assert any(str(canary) in path for path in hostile.asked)


def test_what_is_not_read_does_not_matter(run, hostile: Server, tmp_path: Path) -> None:
    hostile.items[0]["assets"]["thumbnail"] = {"href": "file:///etc/passwd"}
    hostile.items[0]["assets"]["B01"] = {"href": "/vsizip/x"}
    search = ["--aoi", BOX, "--period", "2021-11", "--catalog", hostile.url]
    said = run("map", *search, "-p", "maize", "-o", tmp_path / "out")
    assert said.exit_code == 0, said.output


def test_internal_hosts_are_read_if_the_user_trusts_the_catalogue(run, world: Path, tmp_path: Path) -> None:
    """The pixels are on another host of the internal network."""
    with serve(world, (SHOT,)) as server:
        with serve(world, ()) as _:
            pass
        for asset in server.items[0]["assets"].values():
            asset["href"] = asset["href"].replace("127.0.0.1", "localhost")
        search = ["--aoi", BOX, "--period", "2021-11", "--catalog", server.url, "-p", "maize", "-o", tmp_path / "out"]
        said = run("map", *search)
        assert said.exit_code == 2
        assert "--allow-elsewhere" in said.stderr
        assert "internal network" in said.stderr
        assert run("map", *search, "--allow-elsewhere").exit_code == 0


def redirect(to: str, status: int = 302) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def gives(content: object, kind: str = "application/json") -> Callable[[BaseHTTPRequestHandler], None]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_of_files_are_judged(
    hostile: Server, refused: Callable[..., str], trap: _Trap, canary: Path, status: int
) -> None:
    for to in (f"http://127.0.0.2:{trap.server_port}/x.tif", f"file://{canary}"):
        hostile.special = {f"/files/{SHOT.id}/SCL.tif": redirect(to, status)}
        assert "which is refused" in refused()


def test_redirects_in_a_circle_end(hostile: Server, refused: Callable[..., str]) -> None:
    path = f"/files/{SHOT.id}/SCL.tif"
    hostile.special = {path: redirect(f"{hostile.url}{path}")}
    assert "redirects 8 times" in refused()


def test_redirects_within_the_host_are_followed(run, hostile: Server, tmp_path: Path) -> None:
    for asset in hostile.items[0]["assets"].values():
        moved = asset["href"].replace("/files/", "/moved/")
        hostile.special[moved.removeprefix(hostile.url)] = redirect(asset["href"])
        asset["href"] = moved
    search = ["--aoi", BOX, "--period", "2021-11", "--catalog", hostile.url]
    said = run("map", *search, "-p", "maize", "-o", tmp_path / "out")
    assert said.exit_code == 0, said.output


@pytest.mark.parametrize("path", ["/", "/search"])
def test_redirects_of_the_api_are_judged(
    hostile: Server, refused: Callable[..., str], trap: _Trap, canary: Path, path: str
) -> None:
    for to in (f"http://127.0.0.2:{trap.server_port}/", f"file://{canary}"):
        hostile.special = {path: redirect(to), "": redirect(to)} if path == "/" else {path: redirect(to)}
        assert "redirects to" in refused()


def landing(server: Server, search: str, own: str | None = None) -> dict[str, Any]:
    core = "https://api.stacspec.org/v1.0.0"
    links = [{"rel": "self", "href": own or server.url}, {"rel": "root", "href": own or server.url}]
    return {
        "type": "Catalog",
        "id": "world",
        "description": "",
        "stac_version": "1.0.0",
        "conformsTo": [f"{core}/core", f"{core}/item-search"],
        "links": [*links, {"rel": "search", "href": search, "type": "application/geo+json", "method": "POST"}],
    }


def at_root(server: Server, content: object) -> None:
    server.special |= {path: gives(content) for path in ("", "/")}


def test_links_of_the_api_are_judged(hostile: Server, refused: Callable[..., str], trap: _Trap, canary: Path) -> None:
    for target in (f"http://127.0.0.2:{trap.server_port}/", f"file://{canary}", str(canary), "../../../etc/passwd"):
        hostile.special = {}
        at_root(hostile, landing(hostile, target))
        assert "error: " in refused()
        at_root(hostile, landing(hostile, f"{hostile.url}/search"))
        hostile.special["/search"] = gives(
            {"type": "FeatureCollection", "features": hostile.items, "links": [{"rel": "next", "href": target}]}
        )
        assert "error: " in refused()


@pytest.mark.parametrize(
    "content",
    [
        [],
        5,
        None,
        "text",
        {},
        {"type": "Feature", "stac_version": "0.8.1", "links": [{"rel": "collection", "href": "/etc/passwd"}]},
        {"type": "Catalog", "links": None},
        {"type": "Catalog", "stac_version": 5, "id": [], "links": [5]},
        b"\xff\xfe\x00",
        b"<html></html>",
        b'{"a":' * 50_000,
        b"",
    ],
)
def test_answers_that_are_no_catalogue(hostile: Server, refused: Callable[..., str], content: object) -> None:
    at_root(hostile, content)
    assert "no STAC catalogue" in (said := refused()) or "did not answer" in said


@pytest.mark.parametrize(
    "content",
    [
        [],
        5,
        {"features": None},
        {"features": {}},
        {"features": "abc"},
        {"type": "FeatureCollection"},
        {"features": [5, None, []]},
        {"features": [{"id": None}]},
        {"features": [{"id": "x" * 1_000_000}]},
        {"features": [{"id": "\x1b[31m", "properties": [], "links": 5}]},
    ],
)
def test_answers_without_usable_items(hostile: Server, refused: Callable[..., str], content: object) -> None:
    hostile.special["/search"] = gives(content)
    assert len(refused()) < 600


def test_pages_that_never_end(hostile: Server, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    page = {"type": "FeatureCollection", "features": hostile.items}
    link = {"rel": "next", "method": "POST", "href": f"{hostile.url}/search", "body": {"token": 1}}
    hostile.special["/search"] = gives(page | {"links": [link]})
    assert "its answers never end" in refused()
    count = iter(range(10**6))

    def always_new(handler: BaseHTTPRequestHandler) -> None:
        gives(page | {"links": [link | {"body": {"token": next(count)}}]})(handler)

    hostile.special["/search"] = always_new
    monkeypatch.setattr(api, "_MOST_ITEMS", 10)
    assert "more than 10 items" in refused()
    monkeypatch.setattr(api, "_MOST_ITEMS", 10**6)
    monkeypatch.setattr(api, "_MOST_PAGES", 5)
    assert "more than 5 pages" in refused()


def test_answers_without_an_end(hostile: Server, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_MOST_BYTES", 100_000)

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        for _ in range(10_000):
            handler.wfile.write(b" " * 10_000)

    hostile.special["/search"] = flood
    assert "answers with more than" in refused()


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """A byte at a time, for ever."""
    handler.send_response(206)
    handler.send_header("Content-Range", "bytes 0-0/1000000")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.2)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff garbage \r\n\r\n" * 100)
    hang_up(handler)


def silence(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(20)


@pytest.mark.parametrize("path", ["/", "/search", f"/files/{SHOT.id}/SCL.tif"])
@pytest.mark.parametrize("way", [trickle, hang_up, garbage, silence])
def test_servers_that_do_not_answer_cost_a_bounded_time(
    hostile: Server, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, path: str, way: Any
) -> None:
    for module, name, value in (
        (api, "_RETRIES", 0),
        (api, "_ANSWER_S", 0.5),
        (remote, "_FILE_S", 0.2),
        (remote, "_FILE_TIMEOUT_S", (0.5, 0.5)),
    ):
        monkeypatch.setattr(module, name, value)
    hostile.special = {path: way} | ({"": way} if path == "/" else {})
    began = time.monotonic()
    said = refused()
    assert "did not answer" in said or "could be read" in said
    assert time.monotonic() - began < 10


def test_one_broken_item_is_left_out_and_named(run, world: Path, tmp_path: Path) -> None:
    with serve(world, (SHOT,)) as server:
        broken = [dict(item(SHOT, f"{server.url}/files"), id=f"broken {i}") for i in range(3)]
        broken[0]["properties"] = {"datetime": None}
        broken[1]["geometry"] = {"type": "Polygon", "coordinates": [[["a", 0]]]}
        broken[2]["assets"] = []
        server.special["/search"] = gives({"type": "FeatureCollection", "features": [*broken, *server.items]})
        search = ["--aoi", BOX, "--period", "2021-11", "--catalog", server.url]
        said = run("map", *search, "-p", "maize", "-o", tmp_path / "out")
    assert said.exit_code == 0, said.output
    assert "3 of 4 items are broken and left out" in said.stderr
    assert "'broken 0'" in said.stderr


def test_no_host_gets_what_another_was_sent(
    hostile: Server, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[str | None]] = {"/search": [], "/elsewhere": []}

    def note(handler: BaseHTTPRequestHandler) -> None:
        seen["/search"].append(handler.headers.get("Authorization"))
        redirect(f"http://localhost:{hostile.url.rsplit(':', 1)[1]}/elsewhere", 307)(handler)

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        seen["/elsewhere"].append(handler.headers.get("Authorization"))
        gives({"type": "FeatureCollection", "features": []})(handler)

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    hostile.special |= {"/search": note, "/elsewhere": elsewhere}
    search = ["--aoi", BOX, "--period", "2021-11", "--catalog", hostile.url, "--allow-elsewhere"]
    run("map", *search, "-p", "maize", "-o", tmp_path / "out")
    assert seen["/search"] == ["Basic bWU6d29yZA=="]
    assert seen["/elsewhere"] == [None]


def test_embed_area_refuses_the_same(hostile: Server, refused: Callable[..., str], canary: Path) -> None:
    names(hostile, f"file://{canary}")
    assert "file of this machine" in refused(command="embed-area")
