"""Photographs for `ground embed`, and for `ask --photo`."""

from __future__ import annotations

import io
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from ..bytes import BREAKAGES, flip, flip_head
from ..case import Case, Expect, Place

Make = Callable[[Place], bytes]


def _saved(form: str, mode: str = "RGB", size: tuple[int, int] = (30, 20), **options: object) -> Make:
    def make(place: Place) -> bytes:
        from PIL import Image

        stream = io.BytesIO()
        Image.new(mode, size).save(stream, form, **options)
        return stream.getvalue()

    return make


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, data: bytes = b"", *extra: bytes) -> Make:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return lambda _: b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


_POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 30 20\n(pwned) (w) file closefile\nshowpage\n%%EOF\n"

_PHOTOS: dict[str, tuple[Make, Expect]] = {
    "a JPEG": (_saved("JPEG"), "works"),
    "a PNG of that name": (_saved("PNG"), "works"),
    "a WebP of that name": (_saved("WEBP"), "refused or works"),
    "a TIFF of that name": (_saved("TIFF"), "refused or works"),
    "greys": (_saved("JPEG", "L"), "works"),
    "CMYK": (_saved("JPEG", "CMYK"), "works"),
    "one pixel": (_saved("JPEG", "RGB", (1, 1)), "works"),
    "one row": (_saved("PNG", "RGB", (3000, 1)), "works"),
    "transparent": (_saved("PNG", "RGBA"), "works"),
    "a palette": (_saved("PNG", "P"), "works"),
    "16 bits": (_saved("PNG", "I;16"), "refused or works"),
    "PostScript": (lambda _: _POSTSCRIPT, "refused"),
    "PostScript after a DOS header": (lambda _: b"\xc5\xd0\xd3\xc6" + struct.pack("<IIIIIIH", 30, len(_POSTSCRIPT), 0, 0, 0, 0, 0xFFFF) + _POSTSCRIPT, "refused"),
    "a GIF": (_saved("GIF", "P"), "refused"),
    "a BMP": (_saved("BMP"), "refused"),
    "an ICO": (_saved("ICO", size=(32, 32)), "refused"),
    "a PDF": (lambda _: b"%PDF-1.4\n1 0 obj<<>>endobj\n", "refused"),
    "an SVG": (lambda p: f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{p.trap}/a"/></svg>'.encode(), "refused"),
    "a WMF": (lambda _: b"\xd7\xcd\xc6\x9a" + bytes(40), "refused"),
    "a FLI": (lambda _: bytes(4) + b"\x11\xaf" + bytes(200), "refused"),
    "PNG of 60000 pixels a side": (_png(60_000, 60_000, zlib.compress(bytes(1000))), "refused"),
    "PNG of 2 billion pixels a side": (_png(0x7FFFFFFF, 0x7FFFFFFF), "refused"),
    "PNG of no pixels": (_png(0, 0), "refused"),
    "PNG of a bomb": (_png(12_000, 12_000, zlib.compress(bytes(432_012_000), 1)), "refused or works"),
    "PNG of a text bomb": (_png(1, 1, zlib.compress(bytes(4)), _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 28), 1))), "refused or works"),
    "PNG without data": (_png(30, 20), "refused"),
    "TIFF whose images are a circle": (lambda _: struct.pack("<2sHIHI", b"II", 42, 8, 0, 8), "refused"),
    "JPEG with wrong EXIF": (lambda p: _exif(b"Exif\0\0MM\0*\xff\xff\xff\xff")(p), "works"),
    "JPEG with EXIF of a circle": (lambda p: _exif(b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0")(p), "works"),
    "JPEG of 65535 pixels a side": (lambda p: _resized(0xFFFF, 0xFFFF)(p), "refused"),
    "JPEG of no pixels": (lambda p: _resized(0, 0)(p), "refused"),
}  # fmt: skip


def _exif(data: bytes) -> Make:
    return lambda place: _saved("JPEG", exif=data)(place)


def _resized(width: int, height: int) -> Make:
    """A JPEG whose header claims another size."""

    def make(place: Place) -> bytes:
        data = bytearray(_saved("JPEG")(place))
        at = data.index(b"\xff\xc0")
        struct.pack_into(">HH", data, at + 5, height, width)
        return bytes(data)

    return make


def _alone(name: str, content: Make | Callable[[Path, Place], None], expect: Expect, *, breakage: bool = False) -> Case:
    """The only photograph of a folder."""

    def build(place: Place) -> Sequence[object]:
        file = place.folder / "photos" / "46860001N.jpg"
        file.parent.mkdir()
        file.write_bytes(_saved("JPEG")(place) if breakage else content(place))  # type: ignore[arg-type,call-arg]
        if breakage:
            content(file, place)  # type: ignore[call-arg]
        return ["ground", "embed", "photos", "--tower", place.base / "clip", "-o", "out"]

    return Case("images", f"images/alone/{name}", build, expect, writes=("out", "out.partial"))


def _among(name: str, content: Make, expect: Expect) -> Case:
    """One photograph among good ones, which must be kept."""

    def build(place: Place) -> Sequence[object]:
        shutil.copytree(place.base / "photos", place.folder / "photos")
        (place.folder / "photos" / "99990001N.jpg").write_bytes(content(place))
        return ["ground", "embed", "photos", "--tower", place.base / "clip", "-o", "out"]

    return Case(
        "images",
        f"images/among others/{name}",
        build,
        "partial" if expect == "refused" else "no crash",
        writes=("out", "out.partial"),
    )


def _asked(name: str, content: Make) -> Case:
    """The shipped tower reads no photographs, so that every one is refused."""

    def build(place: Place) -> Sequence[object]:
        (place.folder / "a.jpg").write_bytes(content(place))
        return ["ask", place.base / "store.zarr", "--photo", "a.jpg", "-o", "out"]

    return Case("images", f"images/asked/{name}", build, "refused")


def cases() -> list[Case]:
    found = [_alone(name, make, expect) for name, (make, expect) in _PHOTOS.items()]
    found += [_alone(f"file: {n}", b, "refused", breakage=True) for n, b in BREAKAGES.items() if n != "cut short"]
    found += [_alone(f"changed bytes {i}", flip, "no crash", breakage=True) for i in range(4)]
    found += [_alone(f"changed header {i}", flip_head, "no crash", breakage=True) for i in range(4)]
    found += [
        _among(n, *_PHOTOS[n])
        for n in ("PostScript", "PNG of 60000 pixels a side", "an SVG", "PNG without data", "a GIF")
    ]
    return [*found, *[_asked(n, _PHOTOS[n][0]) for n in ("a JPEG", "PostScript", "PNG of a bomb")]]
