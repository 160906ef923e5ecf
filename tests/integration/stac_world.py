"""A small world seen by Sentinel-2: COGs of two tiles in two UTM zones, and a STAC API as unreliable as real ones.

Every COG holds what `Shot.files` says, with the 1000 of baseline 04.00 really in the files, so that a composite can be
computed from the arrays alone.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import rasterio
from rasterio import Affine
from rasterio.warp import transform_bounds

from timesenclip.bands import BANDS, SCL_NAME

COLLECTION = "sentinel-2-l2a"
SIZE = 96
"""Side of a tile in pixels of 10 m."""


@dataclass(frozen=True)
class Tile:
    name: str
    epsg: int
    x0: float
    y0: float

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        side = SIZE * 10
        return transform_bounds(self.epsg, 4326, self.x0, self.y0 - side, self.x0 + side, self.y0)


# At 6 degrees east, where zone 31 meets zone 32; the two squares overlap by about a half.
A = Tile("31UGS", 32631, 710_400.0, 5_632_600.0)
B = Tile("32ULB", 32632, 288_200.0, 5_632_400.0)


@dataclass(frozen=True)
class Shot:
    """One tile on one day, as one version of the processing has it."""

    tile: Tile
    time: str
    baseline: str
    seed: int
    made: str = "20220601T000000"
    cloud: float = 10.0
    without: str | None = None
    broken: str | None = None
    platform: str = "S2A"

    @property
    def id(self) -> str:
        n = self.baseline.replace(".", "")
        moment = self.time.replace("-", "").replace(":", "")
        return f"{self.platform}_MSIL2A_{moment}_N{n}_R008_T{self.tile.name}_{self.made}"

    @property
    def day(self) -> np.datetime64:
        return np.datetime64(self.time[:10], "D")

    @property
    def offset(self) -> int:
        return 1000 if self.baseline >= "04.00" else 0

    def surface(self) -> dict[str, np.ndarray]:
        """DN without any offset, and SCL, at native resolution; 0 is nodata."""
        random = np.random.default_rng(self.seed)
        found = {}
        for k, band in enumerate(BANDS):
            side = SIZE * 10 // band.resolution_m
            found[band.name] = random.integers(200 + 100 * k, 900 + 300 * k, (side, side), dtype=np.uint16)
        found[BANDS[0].name][:3] = 0  # the edge of the swath
        scl = np.full((SIZE // 2, SIZE // 2), 4, dtype=np.uint8)
        row, column = random.integers(4, SIZE // 2 - 14, 2)
        scl[row : row + 10, column : column + 10] = 9
        scl[30:33, 20:40] = 3
        found[SCL_NAME] = scl
        return found

    def files(self) -> dict[str, np.ndarray]:
        """What stands in the files."""
        return {
            band: values if band == SCL_NAME else np.where(values > 0, values + self.offset, 0).astype(np.uint16)
            for band, values in self.surface().items()
        }


SHOTS = (
    Shot(A, "2021-11-10T10:40:21", "03.01", 1),
    Shot(A, "2021-12-15T10:40:21", "03.01", 2, made="20211215T130000"),
    Shot(A, "2021-12-15T10:40:21", "05.00", 3, made="20230101T130000"),  # the same pass, reprocessed, with the offset
    Shot(B, "2021-12-15T10:40:21", "03.01", 4),
    Shot(A, "2022-01-10T10:40:21", "03.01", 5),
    Shot(A, "2022-01-20T10:40:21", "03.01", 6, platform="S2B"),
    Shot(A, "2022-01-30T10:40:21", "04.00", 7, cloud=95.0),
    Shot(A, "2022-02-05T10:40:21", "04.00", 8),
    Shot(B, "2022-02-05T10:40:21", "04.00", 9),
    Shot(A, "2022-02-20T10:40:21", "04.00", 10, without="B11"),
    Shot(A, "2022-02-25T10:40:21", "04.00", 11, broken="B8A"),
)
GOOD = tuple(shot for shot in SHOTS if shot.seed not in (2, 7, 11))
"""Shots whose pixels count; one of them has no B11."""


def write_world(root: Path, shots: tuple[Shot, ...] = SHOTS) -> None:
    """Write all COGs: `root/<id>/<band>.tif`."""
    for shot in shots:
        for band, values in shot.files().items():
            if band == shot.without:
                continue
            path = root / shot.id / f"{band}.tif"
            write_cog(path, values, shot.tile, SIZE * 10 / values.shape[0])
            if band == shot.broken:
                path.write_bytes(path.read_bytes()[:300])


def write_cog(path: Path, values: np.ndarray, tile: Tile, pixel_m: float, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"driver": "COG", "compress": "deflate", "overviews": "none"} | more
    with rasterio.open(
        path,
        "w",
        width=values.shape[1],
        height=values.shape[0],
        count=1,
        dtype=values.dtype,
        crs=f"EPSG:{tile.epsg}",
        transform=Affine(pixel_m, 0, tile.x0, 0, -pixel_m, tile.y0),
        nodata=0,
        **options,
    ) as raster:
        raster.write(values, 1)


def item(shot: Shot, base: str, names: dict[str, str] | None = None) -> dict[str, Any]:
    """STAC item of a shot, as the Planetary Computer writes them; `names` gives other keys to the assets."""
    west, south, east, north = shot.tile.bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    bands = [name for name in (*(band.name for band in BANDS), SCL_NAME) if name != shot.without]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": shot.id,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "links": [],
        "properties": {
            "datetime": f"{shot.time}.024000Z",
            "platform": f"Sentinel-{shot.platform[1:]}",
            "s2:mgrs_tile": shot.tile.name,
            "s2:processing_baseline": shot.baseline,
            "s2:generation_time": shot.made,
            "eo:cloud_cover": shot.cloud,
        },
        "assets": {(names or {}).get(band, band): {"href": f"{base}/{shot.id}/{band}.tif"} for band in bands},
    }


@dataclass
class Server:
    """A STAC API, the files behind it, and a service of tokens; all of them fail as they are told to."""

    root: Path
    items: list[dict[str, Any]] = field(default_factory=list)
    search_fails: list[int] = field(default_factory=list)
    """HTTP status of the next searches."""
    asset_fails: dict[str, list[int]] = field(default_factory=dict)
    """End of a path -> HTTP status of the next requests for it."""
    token_uses: int | None = None
    """Files need a token that is good for so many requests; None: no token."""
    post: bool = True
    """Whether searches may be sent by POST."""
    page: int = 4
    url: str = ""
    special: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    """Path -> what is done instead of the usual answer."""
    asked: list[str] = field(default_factory=list)
    """Paths of all requests."""
    searches: list[tuple[str, int]] = field(default_factory=list)
    """Method and answer of each search."""
    refused: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def new_token(self) -> str:
        with self.lock:
            token = f"t{len(self.tokens)}"
            self.tokens[token] = 0
            return token

    def admits(self, token: str | None) -> bool:
        if self.token_uses is None:
            return True
        with self.lock:
            if token in self.tokens and self.tokens[token] < self.token_uses:
                self.tokens[token] += 1
                return True
            self.refused += 1
            return False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        self._answer(None)

    def do_HEAD(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: dict[str, Any] | None) -> None:
        world, parts = self.server.world, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        world.asked.append(self.path)
        if parts.path in world.special:
            return world.special[parts.path](self)
        if parts.path in ("", "/"):
            self._json(200, _landing(world))
        elif parts.path == "/search":
            self._search(world, body, query)
        elif parts.path == "/token":
            self._json(200, {"token": world.new_token()})
        else:
            self._file(world, parts.path, query.get("token"))

    def _search(self, world: Server, body: dict[str, Any] | None, query: dict[str, str]) -> None:
        status = world.search_fails.pop(0) if world.search_fails else 200
        if body is not None and not world.post:
            status = 405
        world.searches.append((self.command, status))
        if status != 200:
            return self._json(status, {"description": "not now"})
        asked: dict[str, Any] = body or {
            **query,
            "bbox": [float(v) for v in query["bbox"].split(",")],
            "collections": query["collections"].split(","),
        }
        found = [it for it in world.items if _matches(it, asked)]
        first = int(asked.get("token", 0))
        links = []
        if len(found) > first + world.page:
            token = str(first + world.page)
            if body is not None:
                links = [
                    {"rel": "next", "method": "POST", "href": f"{world.url}/search", "body": {**body, "token": token}}
                ]
            else:
                rest = re.sub(r"&token=\d+", "", urlsplit(self.path).query)
                links = [{"rel": "next", "href": f"{world.url}/search?{rest}&token={token}"}]
        page = found[first : first + world.page]
        return self._json(200, {"type": "FeatureCollection", "features": page, "links": links})

    def _file(self, world: Server, path: str, token: str | None) -> None:
        for end, codes in world.asset_fails.items():
            if path.endswith(end) and codes:
                return self._json(codes.pop(0), {})
        if not world.admits(token):
            return self._json(403, {"description": "the token has expired"})
        file = world.root / path.removeprefix("/files/").lstrip("/")
        if not file.is_file():
            return self._json(404, {})
        data, status = file.read_bytes(), 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        total = len(data)
        if wanted:
            start, stop = int(wanted[1]), int(wanted[2] or total - 1)
            data, status = data[start : stop + 1], 206
        self.send_response(status)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{total}")
        self.send_header("Accept-Ranges", "bytes")
        self._finish(data, "image/tiff")

    def _json(self, status: int, content: dict[str, Any]) -> None:
        self.send_response(status)
        self._finish(json.dumps(content).encode(), "application/json")

    def _finish(self, data: bytes, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    world: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


def _landing(world: Server) -> dict[str, Any]:
    core = "https://api.stacspec.org/v1.0.0"
    return {
        "type": "Catalog",
        "id": "world",
        "description": "a small world",
        "stac_version": "1.0.0",
        "conformsTo": [f"{core}/core", f"{core}/item-search"],
        "links": [
            {"rel": "self", "href": world.url},
            {"rel": "root", "href": world.url},
            {"rel": "search", "href": f"{world.url}/search", "type": "application/geo+json", "method": "GET"},
            {"rel": "search", "href": f"{world.url}/search", "type": "application/geo+json", "method": "POST"},
        ],
    }


def _matches(found: dict[str, Any], asked: dict[str, Any]) -> bool:
    west, south, east, north = found["bbox"]
    w, s, e, n = asked["bbox"]
    first, last = str(asked["datetime"]).split("/")
    time = found["properties"]["datetime"]
    there = west <= e and east >= w and south <= n and north >= s
    return there and first <= time <= last and found["collection"] in asked["collections"]


@contextmanager
def serve(root: Path, shots: tuple[Shot, ...] = SHOTS) -> Iterator[Server]:
    """Serve the world under `root` on a free port of this machine."""
    http = _Http(("127.0.0.1", 0), _Handler)
    http.world = world = Server(root, url=f"http://127.0.0.1:{http.server_port}")
    world.items = [item(shot, f"{world.url}/files") for shot in shots]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
