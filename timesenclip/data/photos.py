"""Find photographs on disk: in the LUCAS folder tree, or through a table with a column of paths."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.messages import shorten_error

__all__ = ["Photo", "Photos", "find_photos"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
# `46862690N.jpg`, `46862690_N.jpg`, `FR_46862690N.jpg`, `2018_46862690N.jpg`, and the tree's own folders before them.
_NAME = re.compile(r"^(?:(?:[A-Z]{2}|\d{4})_)*(?P<point>\d{6,9})[ _-]?(?P<view>[PNESW])(?:_\d+)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph."""

    photo_id: str
    """Its name in the ground store: `46862690N`, or the path as the table gives it."""
    point_id: str
    """Place it was taken at; "" where the table does not say."""
    direction: str
    """W, E, N, S, P, or "" where unknown."""
    path: Path
    """File."""


@dataclass(frozen=True, slots=True)
class Photos:
    """The photographs found, and the files left out."""

    photos: tuple[Photo, ...]
    """Sorted by name, so that every run takes them in the same order."""
    ignored: tuple[str, ...] = ()
    """Images whose names hold no point and view."""


def find_photos(source: str | Path) -> Photos:
    """Find photographs.

    Args:
        source: the LUCAS photo tree (any depth; the file name says point and view), or a table (.csv, .parquet) with
            the column `photo` (path, relative to the table) and, if there are, `point_id` and `direction`.

    Raises:
        DataNotFoundError: there is no such file or folder.
        InputError: no file name of the folder holds point and view, a view is there twice, or the table lacks the
            column `photo` or a path.
    """
    root = Path(source)
    if root.is_dir():
        return _tree(root)
    if root.is_file():
        return _table(root)
    raise DataNotFoundError(f"No photographs at '{root}'; give the folder of the LUCAS photos, or a table of paths.")


def _tree(root: Path) -> Photos:
    found: dict[str, Photo] = {}
    ignored: list[str] = []
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(folder) / name
            if path.suffix.lower() not in _SUFFIXES:
                continue
            match = _NAME.match(path.stem)
            if match is None:
                ignored.append(str(path))
                continue
            point, view = match["point"], match["view"].upper()
            photo = Photo(f"{point}{view}", point, view, path)
            if photo.photo_id in found:
                other = found[photo.photo_id].path
                raise InputError(f"'{path}' and '{other}' are the same view of one point; keep one.")
            found[photo.photo_id] = photo
    if not found:
        others = f" ({len(ignored)} others, such as {ignored[0]})" if ignored else ""
        raise InputError(
            f"'{root}' has no photograph named like 46862690N.jpg, point and view N, E, S, W or P{others}; give a "
            "table of paths instead."
        )
    return Photos(tuple(found[name] for name in sorted(found)), tuple(ignored))


def _table(path: Path) -> Photos:
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.suffix in (".parquet", ".geoparquet") else pd.read_csv(path, dtype=str)
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:  # what pandas and pyarrow raise
        raise DataNotFoundError(
            f"Cannot read '{path}' as a table ({shorten_error(error)}); expected Parquet or CSV with a column photo."
        ) from error
    if frame.empty and "photo" in frame:
        raise InputError(f"'{path}' has no row; expected one photograph a row.")
    if "photo" not in frame:
        raise InputError(f"'{path}' has no column photo; columns: {', '.join(map(str, frame.columns))}.")
    empty = frame["photo"].isna() | (frame["photo"].astype(str).str.strip() == "")
    if empty.any():
        row = int(empty.to_numpy().argmax()) + 1
        raise InputError(f"'{path}', row {row}: the photo is empty; give a path or drop the row.")
    points = frame["point_id"].fillna("").astype(str) if "point_id" in frame else [""] * len(frame)
    views = frame["direction"].fillna("").astype(str) if "direction" in frame else [""] * len(frame)
    named = zip(frame["photo"].astype(str), points, views, strict=True)
    photos = {name: Photo(name, point, view.upper(), path.parent / name) for name, point, view in named}
    return Photos(tuple(photos[name] for name in sorted(photos)))
