"""Turn photographs into the input of an image model with PIL and NumPy: read, resize, crop, rescale, normalise.

The image processors of transformers are not used, because they need torchvision or change with it; tests/parity
compares this module with `CLIPImageProcessorPil`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from timesenclip.errors import DataNotFoundError, InputError, TowerError
from timesenclip.ground.clip import CLIP_MEAN, CLIP_STD
from timesenclip.messages import shorten_error

__all__ = ["FORMATS", "MAX_PIXELS", "Preprocessing", "read_image"]

MAX_PIXELS = 100_000_000
"""A photograph with more pixels is refused before it is decoded (300 MB as RGB)."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
"""What a photograph may be, by content and not by name: PIL's other readers start programs (EPS) or are little tried.

PIL's reader of JPEG opens MPO too, the JPEG with a second picture behind it that telephones write.
"""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The steps from a photograph to the input of an image model; the defaults are those of OpenAI's CLIP."""

    shortest_edge: int | None = 224
    """Resize so that the shorter side has this many pixels, or None."""
    size: tuple[int, int] | None = None
    """Or resize to exactly (Y, X), whatever the shape was; None with `shortest_edge`."""
    crop: tuple[int, int] | None = (224, 224)
    """Then cut (Y, X) from the middle (padded with black where smaller), or None."""
    resample: int = 3
    """PIL's number of the filter; 3 is bicubic."""
    rescale: float = 1 / 255
    """Factor from 0..255 to the range that `mean` and `std` are in."""
    mean: tuple[float, ...] = CLIP_MEAN
    """Subtracted, one a channel."""
    std: tuple[float, ...] = CLIP_STD
    """Divisor, one a channel."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, source_name: str) -> Preprocessing:
        """Read a `preprocessor_config.json` of a CLIP-like model, old style (`size: 224`) or new.

        Args:
            config: the file's content.
            source_name: the model, for the message.

        Raises:
            TowerError: the sizes, the mean or the standard deviation are not understood.
        """
        edge, size = _resize_target(config, source_name)
        crop = config.get("crop_size", 224) if config.get("do_center_crop", "crop_size" in config) else None
        mean, std = config.get("image_mean", CLIP_MEAN), config.get("image_std", CLIP_STD)
        if not config.get("do_normalize", True):
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if len(mean) != 3 or len(std) != 3:
            raise TowerError(
                f"{source_name}: image_mean and image_std have {len(mean)} and {len(std)} entries; expected 3 (RGB)."
            )
        return cls(
            shortest_edge=edge,
            size=size,
            crop=None if crop is None else _height_width(crop, source_name),
            resample=int(config.get("resample", 3)),
            rescale=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
            mean=tuple(map(float, mean)),
            std=tuple(map(float, std)),
        )

    def __call__(self, image: Image.Image | str | Path) -> NDArray[np.float32]:
        """Turn one photograph into (3, Y, X) float32.

        Raises:
            InputError: the image is broken, too large, or of a shape that cannot be resized; the message names it.
            DataNotFoundError: the path does not exist.
        """
        picture = read_image(image)
        target = self._resized(picture, _label(image))
        if target != picture.size:
            picture = picture.resize(target, resample=Image.Resampling(self.resample))
        pixels = np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1)  # (3, Y, X)
        if self.crop is not None:
            pixels = _centre_crop(pixels, self.crop)  # (3, Y, X)
        mean = np.asarray(self.mean, dtype=np.float32)[:, None, None]
        std = np.asarray(self.std, dtype=np.float32)[:, None, None]
        scaled = pixels.astype(np.float32) * np.float32(self.rescale)
        return (scaled - mean) / std  # (3, Y, X)

    def _resized(self, picture: Image.Image, label: str) -> tuple[int, int]:
        """Width and height after the resize."""
        width, height = picture.size
        if self.size is not None:
            return self.size[1], self.size[0]
        if self.shortest_edge is None:
            return width, height
        edge = self.shortest_edge
        long = int(edge * max(width, height) / min(width, height))
        if long * edge > MAX_PIXELS:
            raise InputError(f"{label}: {width} x {height} pixels is too long and thin to be resized; crop it first.")
        return (edge, long) if width <= height else (long, edge)


def read_image(image: Image.Image | str | Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A photograph as RGB, turned upright by its EXIF orientation.

    Args:
        image: a PIL image or a path; the file is closed again.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        InputError: not an image of `FORMATS`, truncated, too large, or of 32-bit pixels; the message names the file.
        DataNotFoundError: the path does not exist.
    """
    label = _label(image)
    if isinstance(image, Image.Image):
        return _upright_rgb(image, label, max_pixels)
    path = Path(image)
    if not path.is_file():  # a pipe would wait for ever
        found = "it is a folder, a pipe or a device, not a photograph" if path.exists() else "no such photograph"
        raise DataNotFoundError(f"{path}: {found}; correct the path.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is checked below
            warnings.simplefilter("ignore", UserWarning)  # of odd metadata, without the name of the file
            opened = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{label}: far too many pixels ({shorten_error(error)}); make it smaller.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{label}: not an image that can be read; convert it to JPEG, PNG, WebP or TIFF.") from error
    with opened:
        return _upright_rgb(opened, label, max_pixels)


def _upright_rgb(image: Image.Image, label: str, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(f"{label}: {width} x {height} pixels; at most {max_pixels:,} are read. Make it smaller.")
    if width * height == 0:
        raise InputError(f"{label}: the image has no pixels; replace it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # as above; EXIF is read here
            upright = ImageOps.exif_transpose(image)
        return _to_rgb(upright, label)
    except InputError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ... on broken data
        raise InputError(
            f"{label}: the image is broken or truncated ({shorten_error(error)}); get it again."
        ) from error


def _to_rgb(image: Image.Image, label: str) -> Image.Image:
    if image.mode in ("I", "F"):
        raise InputError(f"{label}: pixels of 32 bits (mode {image.mode}) are no photograph; convert it to 8-bit RGB.")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # PIL would clip at 255 instead
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # otherwise PIL warns
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _centre_crop(pixels: NDArray[np.uint8], crop: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut (3, Y, X) to the middle (3, *crop), padded with zeros where it is smaller."""
    short = [max(0, want - have) for want, have in zip(crop, pixels.shape[1:], strict=True)]
    if any(short):
        pixels = np.pad(pixels, ((0, 0), *((-(-gap // 2), gap // 2) for gap in short)))
    top, left = ((have - want) // 2 for want, have in zip(crop, pixels.shape[1:], strict=True))
    return pixels[:, top : top + crop[0], left : left + crop[1]]


def _resize_target(config: Mapping[str, Any], source_name: str) -> tuple[int | None, tuple[int, int] | None]:
    if not config.get("do_resize", True):
        return None, None
    size = config.get("size", {"shortest_edge": 224})
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return int(size["shortest_edge"]), None
    if isinstance(size, int) and "crop_size" in config:
        return size, None  # CLIP files of 2021: `size: 224` meant the shortest edge
    return None, _height_width(size, source_name)


def _height_width(size: object, source_name: str) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping) and {"height", "width"} <= set(size):
        return int(size["height"]), int(size["width"])
    raise TowerError(
        f"{source_name}: image size {size!r} is not understood; expected height and width, or shortest_edge."
    )


def _label(image: Image.Image | str | Path) -> str:
    if isinstance(image, Image.Image):
        return str(getattr(image, "filename", "") or "photograph in memory")
    return str(image)
