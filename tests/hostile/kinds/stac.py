"""STAC: catalogues on disk, catalogues of the case's own HTTP server, and folders of products."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..bytes import BREAKAGES, HOSTILE_TEXT, flip_head
from ..case import Case, Expect, Place
from ..watch import SECRETS
from .weights import JSON_TEXTS

Item = dict[str, Any]
Edit = Callable[[Item, Place], object]

BOX = "3.0003,50.5507,3.0019,50.5517"
"""Within the images of the base, which lie at 500000, 5600000 in zone 31."""
DATES = ("2021-01-07", "2021-01-27", "2021-02-16", "2021-03-08")


def _bands() -> list[str]:
    from timesenclip.bands import BAND_NAMES, SCL_NAME

    return [*BAND_NAMES, SCL_NAME]


def _item(date: str, prefix: str) -> Item:
    w, s, e, n = 2.99, 50.54, 3.01, 50.56
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"S2A_MSIL2A_{date.replace('-', '')}T104021_N0301_R008_T31UES_20220601T000000",
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]},
        "bbox": [w, s, e, n],
        "links": [],
        "properties": {
            "datetime": f"{date}T10:40:21Z",
            "platform": "sentinel-2a",
            "s2:mgrs_tile": "31UES",
            "s2:processing_baseline": "03.01",
            "eo:cloud_cover": 5.0,
        },
        "assets": {band: {"href": f"{prefix}{date}_{band}.tif"} for band in _bands()},
    }


def _all(edit: Edit) -> Callable[[list[Item], Place], None]:
    def change(items: list[Item], place: Place) -> None:
        for item in items:
            edit(item, place)

    return change


def _first(edit: Edit) -> Callable[[list[Item], Place], None]:
    return lambda items, place: (edit(items[0], place), None)[1]


def _assets(href: Callable[[Place, str], object]) -> Edit:
    """Every asset of the item gets another address."""

    def edit(item: Item, place: Place) -> None:
        for asset in item["assets"].values():
            asset["href"] = href(place, str(asset["href"]))

    return edit


def _property(name: str, value: Callable[[Place], object]) -> Edit:
    return lambda item, place: item["properties"].update({name: value(place)})


def _vrt(place: Place, old: str) -> str:
    return (
        '<VRTDataset rasterXSize="16" rasterYSize="16"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{place.canary}/secret.txt</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )


_JUNK_TIMES = (
    "yesterday",
    "2021-99-99T00:00:00Z",
    "0000-00-00",
    "99999-01-01",
    "2021",
    "",
    "\x1b[31m",
    "2021-01-07T99:99:99Z",
)

_ITEMS: dict[str, tuple[Callable[[list[Item], Place], None], Expect]] = {
    "valid": (lambda i, p: None, "works"),
    "no items": (lambda i, p: i.clear(), "refused"),
    "one junk date": (_first(_property("datetime", lambda p: p.random.choice(_JUNK_TIMES[:5]))), "refused or works"),
    # The items are named as ESA names its products, with the time in it, which is then used.
    "junk dates": (_all(_property("datetime", lambda p: p.random.choice(_JUNK_TIMES))), "refused or works"),
    "dates missing": (_all(_property("datetime", lambda p: None)), "refused or works"),
    "dates of numbers": (_all(_property("datetime", lambda p: 20210107)), "refused or works"),
    "dates of lists": (_all(_property("datetime", lambda p: ["2021-01-07"])), "refused or works"),
    "dates with zones": (_all(_property("datetime", lambda p: "2021-01-07T10:40:21+14:00")), "refused or works"),
    "properties missing": (_all(lambda i, p: i.pop("properties")), "refused or works"),
    "properties are a list": (_all(lambda i, p: i.update(properties=[1])), "refused"),
    "properties are text": (_all(lambda i, p: i.update(properties="x")), "refused"),
    "assets missing": (_all(lambda i, p: i.pop("assets")), "refused"),
    "assets are null": (_all(lambda i, p: i.update(assets=None)), "refused"),
    "assets are a list": (_all(lambda i, p: i.update(assets=[1])), "refused"),
    "one asset is null": (_first(lambda i, p: i["assets"].update({p.random.choice(_bands()): None})), "refused or works"),
    "every asset is null": (_all(lambda i, p: i.update(assets=dict.fromkeys(i["assets"]))), "refused"),
    "assets are text": (_all(lambda i, p: i.update(assets=dict.fromkeys(i["assets"], "x"))), "refused"),
    "addresses are numbers": (_all(_assets(lambda p, h: 12)), "refused"),
    "addresses are lists": (_all(_assets(lambda p, h: [h])), "refused"),
    "addresses are empty": (_all(_assets(lambda p, h: "")), "refused"),
    "ids are numbers": (_all(lambda i, p: i.update(id=7)), "refused or works"),
    "ids are lists": (_all(lambda i, p: i.update(id=[1])), "refused or works"),
    "ids missing": (_all(lambda i, p: i.pop("id")), "refused or works"),
    "ids of escapes": (_all(lambda i, p: i.update(id=HOSTILE_TEXT)), "refused or works"),
    "ids of a megabyte": (_all(lambda i, p: i.update(id="x" * 300_000)), "refused or works"),
    "escapes and no assets": (_all(lambda i, p: i.update(id="\x1b[31m\x9b2J", assets={})), "refused"),
    "geometry missing": (_all(lambda i, p: i.update(geometry=None)), "works"),
    "geometry of text": (_all(lambda i, p: i.update(geometry="x")), "refused"),
    "geometry of an unknown type": (_all(lambda i, p: i["geometry"].update(type="Circle")), "refused"),
    "geometry not finite": (_all(lambda i, p: i["geometry"].update(coordinates=[[[float("nan")] * 2] * 5])), "refused"),
    "geometry of one point": (_all(lambda i, p: i["geometry"].update(coordinates=[[[3, 50]]])), "refused"),
    "geometry nested": (_all(lambda i, p: i["geometry"].update(coordinates=[[[[[1]]]]])), "refused"),
    "geometry crosses itself": (_all(lambda i, p: i["geometry"].update(coordinates=[[[2, 50], [4, 51], [4, 50], [2, 51], [2, 50]]])), "refused or works"),
    "cloud of text": (_all(_property("eo:cloud_cover", lambda p: "some")), "refused"),
    "cloud not a number": (_all(_property("eo:cloud_cover", lambda p: float("nan"))), "refused or works"),
    "cloud of a list": (_all(_property("eo:cloud_cover", lambda p: [5])), "refused"),
    "cloud of -1e308": (_all(_property("eo:cloud_cover", lambda p: -1e308)), "refused or works"),
    "baseline of text": (_all(_property("s2:processing_baseline", lambda p: "\x1b[31m")), "refused or works"),
    "baseline of a list": (_all(_property("s2:processing_baseline", lambda p: [3, 1])), "refused or works"),
    "baseline of 99.99": (_all(_property("s2:processing_baseline", lambda p: "99.99")), "refused or works"),
    "an offset of text": (_all(_property("timesenclip:boa_add_offset", lambda p: "x")), "refused or works"),
    "an offset of 1e308": (_all(_property("timesenclip:boa_add_offset", lambda p: 1e308)), "refused or works"),
    "tile of a list": (_all(_property("s2:mgrs_tile", lambda p: ["31UES"])), "refused or works"),
    "platform of a number": (_all(_property("platform", lambda p: 2)), "refused or works"),
    "generation time of a list": (_all(_property("s2:generation_time", lambda p: [1])), "refused or works"),
    "another collection": (_all(lambda i, p: i.update(collection="\x1b[31mlandsat")), "refused"),
    "collection of a list": (_all(lambda i, p: i.update(collection=["x"])), "refused"),
    "items are numbers": (lambda i, p: i.__setitem__(slice(None), [1, 2]), "refused"),
    "items are null": (lambda i, p: i.__setitem__(slice(None), [None]), "refused"),
    "every item twice": (lambda i, p: i.extend(json.loads(json.dumps(i))), "works"),
    "3000 items": (lambda i, p: i.extend(dict(i[0], id=f"x{n}") for n in range(3000)), "refused or works"),
}  # fmt: skip
"""Changes of items, for catalogues on disk and for an API."""


def _elsewhere(place: Place) -> str:
    """The trap under another host: the catalogue's own host may be asked at any port."""
    return place.trap.replace("127.0.0.1", "127.0.0.2")


_HREFS: dict[str, tuple[Callable[[Place, str], object], Expect]] = {
    "a foreign file": (lambda p, h: f"{p.canary}/secret.txt", "refused"),
    "a foreign file by URL": (lambda p, h: f"file://{p.canary}/secret.txt", "refused"),
    "a foreign file through parents": (lambda p, h: "../../canary/secret.txt", "refused"),
    "a foreign file through /vsisubfile": (lambda p, h: f"/vsisubfile/0_10,{p.canary}/secret.txt", "refused"),
    "a foreign file in a VRT": (_vrt, "refused"),
    "a foreign file in a zip": (lambda p, h: f"/vsizip/{p.canary}/secret.txt/a.tif", "refused"),
    "a foreign file by a driver": (lambda p, h: f"GTIFF_RAW:{p.canary}/secret.txt", "refused"),
    "a foreign file in netCDF": (lambda p, h: f'NETCDF:"{p.canary}/secret.txt":x', "refused"),
    "a foreign file by a derived dataset": (
        lambda p, h: f"DERIVED_SUBDATASET:LOGAMPLITUDE:{p.canary}/secret.txt",
        "refused",
    ),
    "another host": (lambda p, h: f"{_elsewhere(p)}/a.tif", "refused"),
    "another host through /vsicurl": (lambda p, h: f"/vsicurl/{p.trap}/a.tif", "refused"),
    "another host through /vsicurl?": (lambda p, h: f"/vsicurl?url={p.trap}/a.tif", "refused"),
    "another host over FTP": (lambda p, h: "ftp://127.0.0.1:9/a.tif", "refused"),
    "another host as WMS": (lambda p, h: f"WMS:{p.trap}/?SERVICE=WMS", "refused"),
    "the metadata service": (lambda p, h: "http://169.254.169.254/latest/meta-data", "refused"),
    "a private address": (lambda p, h: "http://10.0.0.1/a.tif", "refused"),
    "standard input": (lambda p, h: "/vsistdin/", "refused"),
    "a device": (lambda p, h: "/dev/zero", "refused"),
    "gopher": (lambda p, h: "gopher://127.0.0.1:9/x", "refused"),
    "escapes": (lambda p, h: "\x1b[31m\x9b2J.tif", "refused"),
    "a NUL": (lambda p, h: h + "\x00.tif", "refused"),
    "100000 characters": (lambda p, h: "a" * 100_000, "refused"),
}

_CATALOGUES: dict[str, tuple[Callable[[Path, Place], object], Expect]] = {
    "a link to itself": (lambda f, p: _links(f, "catalog.json"), "refused"),
    "a link to nothing": (lambda f, p: _links(f, "none.json"), "refused"),
    "a link to a folder": (lambda f, p: _links(f, "."), "refused"),
    "a link to a foreign file": (lambda f, p: _links(f, f"{p.canary}/secret.json"), "refused"),
    "a link to a foreign file through parents": (lambda f, p: _links(f, "../../canary/secret.json"), "refused"),
    "a link to another host": (lambda f, p: _links(f, f"{p.trap}/item.json"), "refused"),
    "a link of a number": (lambda f, p: _links(f, 12), "refused"),
    "a link of null": (lambda f, p: _links(f, None), "refused"),
    "a link of a list": (lambda f, p: _links(f, ["a"]), "refused"),
    "a link of escapes": (lambda f, p: _links(f, "\x1b[31m"), "refused"),
    "a link with a NUL": (lambda f, p: _links(f, "a\x00b"), "refused"),
    "links are text": (lambda f, p: _write(f, {"type": "Catalog", "links": "x"}), "refused"),
    "links are null": (lambda f, p: _write(f, {"type": "Catalog", "links": None}), "refused"),
    "links of numbers": (lambda f, p: _write(f, {"type": "Catalog", "links": [1]}), "refused"),
    "an unknown type": (lambda f, p: _write(f, {"type": "\x1b[31m"}), "refused"),
    "type of a list": (lambda f, p: _write(f, {"type": ["Catalog"]}), "refused"),
    "a link to a pipe": (lambda f, p: (os.mkfifo(f / "pipe.json"), _links(f, "pipe.json"))[1], "refused"),
    "a link to a device": (lambda f, p: _links(f, "/dev/zero"), "refused"),
    "a chain of 3000 catalogues": (lambda f, p: _chain(f, 3000), "refused"),
    "a tree of catalogues": (lambda f, p: _tree(f, 3000), "refused"),
    "items behind a link": (
        lambda f, p: (_write_items(f, "items.json", "files/"), _links(f, "items.json", rel="items"))[1],
        "works",
    ),
}


def _write(folder: Path, content: object, name: str = "catalog.json") -> None:
    (folder / name).write_text(json.dumps(content))


def _links(folder: Path, href: object, rel: str = "child") -> None:
    _write(folder, {"type": "Catalog", "id": "x", "links": [{"rel": rel, "href": href}]})


def _chain(folder: Path, length: int) -> None:
    for i in range(length):
        _write(folder, {"type": "Catalog", "links": [{"rel": "child", "href": f"c{i + 1}.json"}]}, f"c{i}.json")
    _write(folder, {"type": "Catalog", "links": []}, f"c{length}.json")
    _links(folder, "c0.json")


def _tree(folder: Path, count: int) -> None:
    for i in range(count):
        _write(folder, {"type": "Catalog", "links": []}, f"c{i}.json")
    _write(folder, {"type": "Catalog", "links": [{"rel": "child", "href": f"c{i}.json"} for i in range(count)]})


def _write_items(folder: Path, name: str, prefix: str) -> None:
    _write(folder, {"type": "FeatureCollection", "features": [_item(date, prefix) for date in DATES]}, name)


def _command(catalog: object, *more: object) -> list[object]:
    asked = ["-p", "maize", "-p", "forest"]
    return ["map", "--aoi", BOX, "--period", "2021", "--catalog", catalog, *asked, "-o", "out", *more]


def _local(name: str, change: Callable[[list[Item], Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        folder = place.folder / "archive"
        shutil.copytree(place.base / "stack", folder / "files")
        items = [_item(date, "files/") for date in DATES]
        change(items, place)
        _write(folder, {"type": "FeatureCollection", "features": items})
        return _command("archive/catalog.json")

    return Case("STAC", f"STAC/local/{name}", build, expect)


def _catalogue(name: str, change: Callable[[Path, Place], object], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        folder = place.folder / "archive"
        shutil.copytree(place.base / "stack", folder / "files")
        change(folder, place)
        return _command("archive")

    return Case("STAC", f"STAC/catalogue/{name}", build, expect)


def _landing(place: Place) -> Item:
    core = "https://api.stacspec.org/v1.0.0"
    links = [
        {"rel": rel, "href": place.url + end, "type": "application/geo+json" if rel == "search" else "application/json", **more}
        for rel, end, more in (
            ("self", "/", {}), ("root", "/", {}), ("search", "/search", {"method": "GET"}), ("search", "/search", {"method": "POST"}),
        )
    ]  # fmt: skip
    return {
        "type": "Catalog",
        "id": "w",
        "description": "w",
        "stac_version": "1.0.0",
        "conformsTo": [f"{core}/core", f"{core}/item-search"],
        "links": links,
    }


def _serve(place: Place, items: list[Item]) -> Path:
    served = place.folder / "served"
    if not served.exists():
        shutil.copytree(place.base / "stack", served / "files")
    _write(served, _landing(place), "index.json")
    _write(served, {"type": "FeatureCollection", "features": items, "links": []}, "search.json")
    return served


def _remote(name: str, change: Callable[[list[Item], Place], None], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        items = [_item(date, f"{place.url}/files/") for date in DATES]
        change(items, place)
        _serve(place, items)
        return _command(place.url + "/")

    return Case("STAC", f"STAC/remote/{name}", build, expect, own_server=True)


def _answers(name: str, change: Callable[[Path, Place], object], expect: Expect) -> Case:
    """A server whose answers are no STAC."""

    def build(place: Place) -> Sequence[object]:
        served = _serve(place, [_item(date, f"{place.url}/files/") for date in DATES])
        change(served, place)
        return _command(place.url + "/")

    return Case("STAC", f"STAC/server/{name}", build, expect, own_server=True)


def _special(file: str, **how: object) -> Callable[[Path, Place], None]:
    return lambda served, place: _write(served, how, f"{file}.answer")


def _redirect(file: str, to: Callable[[Place], str]) -> Callable[[Path, Place], None]:
    return lambda served, place: _write(served, {"status": 302, "headers": {"Location": to(place)}}, f"{file}.answer")


def _text(file: str, text: Callable[[Place], str | bytes]) -> Callable[[Path, Place], None]:
    def change(served: Path, place: Place) -> None:
        content = text(place)
        (served / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def _search_links(link: Callable[[Place], object]) -> Callable[[Path, Place], None]:
    def change(served: Path, place: Place) -> None:
        content = json.loads((served / "search.json").read_text())
        _write(served, {**content, "links": [link(place)]}, "search.json")

    return change


def _search_elsewhere(served: Path, place: Place) -> None:
    landing = _landing(place)
    for link in landing["links"]:
        if link["rel"] == "search":
            link["href"] = f"{_elsewhere(place)}/search"
    _write(served, landing, "index.json")


_SERVER: dict[str, tuple[Callable[[Path, Place], object], Expect]] = {
    "valid": (lambda s, p: None, "works"),
    "a page for people": (_text("index.json", lambda p: "<html>\x1b[31m</html>"), "refused"),
    "no catalogue": (_text("index.json", lambda p: '{"a": 1}'), "refused"),
    "a list": (_text("index.json", lambda p: "[]"), "refused"),
    "nested": (_text("index.json", JSON_TEXTS["nested"]), "refused"),
    "refused with escapes": (lambda s, p: (_text("index.json", lambda q: "\x1b[31m no \x9b2J")(s, p), _special("index.json", status=403)(s, p))[1], "refused"),
    "refused with a megabyte": (lambda s, p: (_text("index.json", lambda q: "x" * 1_000_000)(s, p), _special("index.json", status=400)(s, p))[1], "refused"),
    "sent elsewhere": (_redirect("index.json", lambda p: f"{_elsewhere(p)}/"), "refused"),
    "sent to a file": (_redirect("index.json", lambda p: f"file://{p.canary}/secret.json"), "refused"),
    "sent in circles": (_redirect("index.json", lambda p: f"{p.url}/"), "refused"),
    "searched elsewhere": (_search_elsewhere, "refused"),
    "an empty answer to a search": (_text("search.json", lambda p: ""), "refused"),
    "an answer to a search that is a list": (_text("search.json", lambda p: "[]"), "refused"),
    "an answer to a search that is null": (_text("search.json", lambda p: "null"), "refused"),
    "features of null": (_text("search.json", lambda p: '{"type": "FeatureCollection", "features": null}'), "refused"),
    "features of numbers": (_text("search.json", lambda p: '{"type": "FeatureCollection", "features": [1, 2]}'), "refused"),
    "a nested answer to a search": (_text("search.json", JSON_TEXTS["nested"]), "refused"),
    "an answer to a search that is cut": (_special("search.json", cut=100), "refused"),
    "a search that is refused with escapes": (lambda s, p: (_text("search.json", lambda q: "\x1b[31m no")(s, p), _special("search.json", status=400)(s, p))[1], "refused"),
    "the next page is this page": (_search_links(lambda p: {"rel": "next", "href": f"{p.url}/search"}), "no crash"),
    "the next page is elsewhere": (_search_links(lambda p: {"rel": "next", "href": f"{_elsewhere(p)}/search"}), "no crash"),
    "the next page is a number": (_search_links(lambda p: {"rel": "next", "href": 7}), "refused"),
    "images are refused": (lambda s, p: [_special(f"files/{f.name}", status=403)(s, p) for f in sorted((s / "files").glob("*.tif"))], "refused"),
    "images are sent elsewhere": (lambda s, p: [_redirect(f"files/{f.name}", lambda q: f"{_elsewhere(q)}/a.tif")(s, p) for f in sorted((s / "files").glob("*.tif"))], "refused"),
    "images are pages": (lambda s, p: [f.write_text("<html>\x1b[31m") for f in sorted((s / "files").glob("*.tif"))], "refused"),
    "images are cut": (lambda s, p: [_special(f"files/{f.name}", cut=50)(s, p) for f in sorted((s / "files").glob("*.tif"))], "refused"),
}  # fmt: skip


def _images(name: str, breakage: Callable[[Path, Place], object], expect: Expect, *, every: bool) -> Case:
    def build(place: Place) -> Sequence[object]:
        folder = place.folder / "archive"
        shutil.copytree(place.base / "stack", folder / "files")
        _write_items(folder, "catalog.json", "files/")
        files = sorted((folder / "files").glob("*.tif"))
        for file in files if every else [place.random.choice(files)]:
            breakage(file, place)
        return _command("archive")

    return Case("STAC", f"STAC/images/{'all' if every else 'one'} {name}", build, expect)


def _safe(name: str, xml: Callable[[Place], str | bytes], expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        for date in DATES:
            product = (
                place.folder
                / "archive"
                / f"S2A_MSIL2A_{date.replace('-', '')}T104021_N0301_R008_T31UES_20220601T000000.SAFE"
            )
            images = product / "GRANULE" / "L2A" / "IMG_DATA"
            images.mkdir(parents=True)
            for band in _bands():
                shutil.copy(
                    place.base / "stack" / f"{date}_{band}.tif",
                    images / f"T31UES_{date.replace('-', '')}T104021_{band}.tif",
                )
            content = xml(place)
            (product / "MTD_MSIL2A.xml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return _command("archive")

    return Case("STAC", f"STAC/SAFE/{name}", build, expect)


def _laughs() -> str:
    entities = '<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefg", "bcdefgh", strict=True)
    )
    return f"<!DOCTYPE x [{entities}]><x><PROCESSING_BASELINE>&h;</PROCESSING_BASELINE></x>"


_XML: dict[str, tuple[Callable[[Place], str | bytes], Expect]] = {
    "valid": (lambda p: "<x><PROCESSING_BASELINE>03.01</PROCESSING_BASELINE></x>", "works"),
    "no XML": (lambda p: "no", "works"),
    "a bomb of entities": (lambda p: _laughs(), "refused or works"),
    "a foreign entity": (lambda p: f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{p.canary}/secret.txt">]><x><PROCESSING_BASELINE>&a;</PROCESSING_BASELINE></x>', "refused or works"),
    "nested": (lambda p: "<a>" * 100_000 + "</a>" * 100_000, "refused or works"),
    # The product's name says when, too.
    "a junk time": (lambda p: "<x><PRODUCT_START_TIME>soon</PRODUCT_START_TIME></x>", "refused or works"),
    "cloud of text": (lambda p: "<x><Cloud_Coverage_Assessment>some</Cloud_Coverage_Assessment></x>", "refused"),
    "an offset of text": (lambda p: "<x><BOA_ADD_OFFSET>-1e9x</BOA_ADD_OFFSET></x>", "refused"),
    "an offset of 10**30": (lambda p: f"<x><BOA_ADD_OFFSET>{10**30}</BOA_ADD_OFFSET></x>", "refused or works"),
    "a baseline of escapes": (lambda p: "<x><PROCESSING_BASELINE>&#x1b;[31m</PROCESSING_BASELINE></x>", "refused or works"),
    "a baseline of C1": (lambda p: "<x><PROCESSING_BASELINE>\x9b31m</PROCESSING_BASELINE></x>", "refused or works"),
}  # fmt: skip


def _addresses() -> list[Case]:
    """Addresses of catalogues; `{rest}` is the case's own server, where only `/` is a catalogue."""
    table = {
        "credentials of nobody": ("http://me:{secret}@{rest}/none/", "refused"),
        "a token of nobody": ("http://{rest}/none/?token={secret}", "refused"),
        "a signature of nobody": ("http://{rest}/none/?sig={secret}&se=2021", "refused"),
        "an address that is none": ("http://[::1", "refused"),
        "a port that is none": ("http://127.0.0.1:99999/", "refused"),
        "a scheme that is none": ("gopher://127.0.0.1/", "refused"),
        "a file address": ("file:///etc/passwd", "refused"),
        "escapes": ("http://\x1b[31m/", "refused"),
        "a surrogate": ("http://\udcff/", "refused"),
        "100000 characters": ("http://{rest}/" + "a" * 100_000, "refused"),
        "credentials": ("http://me:{secret}@{rest}/", "refused or works"),
        "a token": ("http://{rest}/?token={secret}", "refused or works"),
        "a signature": ("http://{rest}/?sig={secret}", "refused or works"),
    }
    return [_address(name, text, expect) for name, (text, expect) in table.items()]  # type: ignore[arg-type]


def _address(name: str, text: str, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        _serve(place, [_item(date, f"{place.url}/files/") for date in DATES])
        return _command(text.format(secret=SECRETS[1], rest=place.url.removeprefix("http://")))

    return Case("STAC", f"STAC/address/{name}", build, expect, own_server=True)


def _signed(items: list[Item], place: Place) -> None:
    """Addresses of images with a signature that must not reach any output."""
    for item in items:
        _assets(lambda p, h: f"{h}?sig={SECRETS[1]}&token={SECRETS[1]}")(item, place)


def _signed_and_broken(items: list[Item], place: Place) -> None:
    for item in items:
        _assets(lambda p, h: f"{p.url}/none.tif?sig={SECRETS[1]}")(item, place)


def cases() -> list[Case]:
    found = [_local(name, change, expect) for name, (change, expect) in _ITEMS.items()]
    found += [_local(f"address: {name}", _all(_assets(href)), expect) for name, (href, expect) in _HREFS.items()]
    found += [_remote(f"address: {name}", _all(_assets(href)), expect) for name, (href, expect) in _HREFS.items()]
    few = (
        "no items",
        "junk dates",
        "one junk date",
        "properties are a list",
        "assets are null",
        "every asset is null",
        "ids of escapes",
        "geometry of text",
        "cloud of text",
        "items are null",
    )
    found += [_remote(name, *_ITEMS[name]) for name in few]
    found += [
        _remote("signed addresses", _signed, "works"),
        _remote("signed addresses of nothing", _signed_and_broken, "refused"),
    ]
    found += [_catalogue(name, change, expect) for name, (change, expect) in _CATALOGUES.items()]
    found += [_catalogue(f"text: {name}", _text("catalog.json", text), "refused") for name, text in JSON_TEXTS.items()]
    found += [_answers(name, change, expect) for name, (change, expect) in _SERVER.items()]
    for name in ("empty file", "random bytes", "a pipe", "a folder", "gone", "an endless device", "cut short"):
        found.append(_images(name, BREAKAGES[name], "no crash", every=False))
    found += [_images(name, BREAKAGES[name], "refused", every=True) for name in ("empty file", "a pipe", "a web page")]
    found.append(_images("headers changed", flip_head, "no crash", every=True))
    found += [_safe(name, xml, expect) for name, (xml, expect) in _XML.items()]
    return [*found, *_addresses()]
