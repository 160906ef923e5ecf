from __future__ import annotations

import os
import struct
import subprocess
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from timesenclip.errors import DataNotFoundError, InputError, TowerError
from timesenclip.ground.clip.preprocess import Preprocessing, read_image

PLAIN = Preprocessing(shortest_edge=None, crop=None, rescale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 20), "blue")
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    picture.save(tmp_path / "turned.png", exif=exif)
    assert read_image(tmp_path / "turned.png").size == (20, 40)


def test_exif_orientation_of_a_jpeg_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), (200, 0, 0))
    image.paste((0, 0, 200), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    image.save(tmp_path / "41000000N.jpg", exif=exif, quality=95)
    assert read_image(tmp_path / "41000000N.jpg").size == (20, 40)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    Image.new("RGB", (8, 8), "white").convert(mode).save(path)
    image = read_image(path)
    assert image.mode == "RGB"
    assert np.asarray(image).min() >= 250


def test_a_palette_with_transparency_does_not_warn(tmp_path: Path) -> None:
    picture = Image.new("P", (8, 8))
    picture.putpalette([255, 0, 0] * 256)
    picture.save(tmp_path / "palette.png", transparency=bytes(range(256)))
    assert np.asarray(read_image(tmp_path / "palette.png"))[0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0x8000, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert np.asarray(read_image(tmp_path / "deep.png")).max() == 0x80
    with pytest.raises(InputError, match="32 bits"):
        read_image(Image.new("F", (8, 8)))


def test_broken_files_are_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jpg"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole)
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(InputError, match=r"cut\.jpg: the image is broken or truncated"):
        read_image(tmp_path / "cut.jpg")
    with pytest.raises(InputError, match=r"text\.jpg: not an image"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(DataNotFoundError, match=r"none\.jpg: no such photograph"):
        read_image(tmp_path / "none.jpg")


@pytest.mark.parametrize("size", [(12_000, 12_000), (20_000, 20_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("1", size).save(tmp_path / "bomb.png")  # beyond PIL's warning, and beyond its error
    with pytest.raises(InputError, match=r"bomb\.png: .*pixels"):
        read_image(tmp_path / "bomb.png")


def test_a_sliver_does_not_grow_into_a_bomb() -> None:
    with pytest.raises(InputError, match="2 x 9000 pixels is too long and thin"):
        Preprocessing(shortest_edge=224)(Image.new("RGB", (2, 9000)))


def test_pixels_are_normalised_by_channel() -> None:
    given = Preprocessing(shortest_edge=4, crop=(2, 2), mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 2.0))
    pixels = given(Image.new("RGB", (9, 6), (255, 255, 255)))
    assert pixels.shape == (3, 2, 2)
    np.testing.assert_allclose(pixels[:, 0, 0], [1.0, 1.0, 0.5], rtol=1e-6)
    assert PLAIN(Image.new("RGB", (5, 7))).shape == (3, 7, 5)


def test_configurations_old_and_new_are_read() -> None:
    old = {"do_resize": True, "size": 224, "do_center_crop": True, "crop_size": 224, "resample": 3}
    assert Preprocessing.from_config(old, source_name="x") == Preprocessing()
    new = {"size": {"height": 256, "width": 128}, "do_normalize": False, "resample": 2}
    read = Preprocessing.from_config(new, source_name="x")
    assert (read.size, read.shortest_edge, read.crop, read.resample) == ((256, 128), None, None, 2)
    assert read.std == (1.0, 1.0, 1.0)
    with pytest.raises(TowerError, match="x: image size"):
        Preprocessing.from_config({"size": {"longest_edge": 9}}, source_name="x")


def write_hostile(kind: str, path: Path) -> None:
    """A file that says it is a photograph."""
    picture = Image.new("RGB", (8, 8), (1, 2, 3))
    if kind in ("GIF", "BMP", "EPS", "PPM", "ICO", "TGA"):
        picture.save(path, kind)
    elif kind == "ghostscript":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%touch x) (w) file\n")
    elif kind == "svg":
        path.write_text("<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>")
    elif kind == "empty":
        path.touch()
    elif kind == "declared":
        picture.save(path, "PNG")
        content = bytearray(path.read_bytes())
        content[16:24] = struct.pack(">II", 100_000, 100_000)
        content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
        path.write_bytes(bytes(content))
    elif kind == "text bomb":
        picture.save(path, "PNG")
        content = path.read_bytes()
        packed = b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)
        chunk = struct.pack(">I", len(packed)) + b"zTXt" + packed + struct.pack(">I", zlib.crc32(b"zTXt" + packed))
        path.write_bytes(content[:33] + chunk + content[33:])
    elif kind == "truncated":
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, "JPEG")
        path.write_bytes(path.read_bytes()[:900])
    elif kind == "huge tag":
        entry = struct.pack("<HHII", 256, 4, 0xFFFFFFF0, 8) + struct.pack("<HHII", 257, 4, 0xFFFFFFF0, 8)
        path.write_bytes(b"II*\0" + struct.pack("<IH", 8, 2) + entry + struct.pack("<I", 0))


OTHER_FORMATS = ("GIF", "BMP", "EPS", "PPM", "ICO", "TGA", "ghostscript", "svg", "empty")
BROKEN = ("declared", "text bomb", "truncated", "huge tag")


@pytest.mark.parametrize("kind", OTHER_FORMATS + BROKEN)
@pytest.mark.parametrize("name", ["a.jpg", "a.eps"])
def test_what_is_no_photograph_is_refused_whatever_its_name(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    for start in ("Popen", "call", "check_call", "run"):
        monkeypatch.setattr(subprocess, start, no_process)
    write_hostile(kind, tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read_image(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)
    assert peak < 30_000_000


def test_what_waits_or_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", tmp_path, Path("/dev/zero")):
        with pytest.raises(DataNotFoundError, match="not a photograph"):
            read_image(path)


@pytest.mark.parametrize("form", ["JPEG CMYK", "JPEG L", "MPO RGB", "PNG I;16", "PNG LA", "TIFF RGB", "WEBP RGBA"])
def test_every_format_of_photographs_is_read(form: str, tmp_path: Path) -> None:
    kind, mode = form.split()
    path = tmp_path / "photo"
    more = {"save_all": True, "append_images": [Image.new("RGB", (4, 4))]} if kind == "MPO" else {}
    Image.new(mode, (16, 8)).save(path, kind, **more)
    assert read_image(path).size == (16, 8)
    assert read_image(path).mode == "RGB"
