"""The files beside an embedding store, whose names are the full name of the store and an ending of ours.

They lie beside the store, because Zarr warns of unknown files inside. Earlier versions named them without `.zarr`;
a store `a.2018` and a store `a.2019` then shared them; files of such a name are used only if they say whose they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from timesenclip.errors import InputError
from timesenclip.manifest import is_manifest

__all__ = [
    "adopt_older_manifest",
    "item_path",
    "manifest_path",
    "remove_older_item",
    "require_own_sidecars",
]

_MOST_BYTES = 1_000_000


def manifest_path(store: str | Path) -> Path:
    """Path of the manifest of a store, which records the finished blocks."""
    return _beside(store, ".manifest.jsonl")


def item_path(store: str | Path) -> Path:
    """Path of the STAC item of a store."""
    return _beside(store, ".item.json")


def require_own_sidecars(store: Path) -> None:
    """Check that the files beside a store are absent or ours.

    Raises:
        InputError: one of them is not.
    """
    manifest, item = manifest_path(store), item_path(store)
    empty = manifest.is_file() and manifest.stat().st_size == 0  # left by a kill before its first line
    if _is_there(manifest) and not empty and not is_manifest(manifest, "embed-area"):
        raise InputError(f"'{manifest}' is no manifest of a store, and would be replaced by one; move it.")
    if _is_there(item) and not _is_item(item):
        raise InputError(f"'{item}' is no STAC item of a store, and would be replaced by one; move it.")


def adopt_older_manifest(store: Path) -> None:
    """Give the manifest that an earlier version wrote for this store its present name."""
    older, manifest = store.with_suffix(".manifest.jsonl"), manifest_path(store)
    if store.exists() and not manifest.exists() and is_manifest(older, "embed-area", store=store.name):
        older.replace(manifest)


def remove_older_item(store: Path) -> None:
    """Remove the STAC item that an earlier version wrote for this store."""
    older = store.with_suffix(".json")
    if older != item_path(store) and _is_item(older, f"./{store.name}"):
        older.unlink()


def _beside(store: str | Path, ending: str) -> Path:
    path = Path(store)
    return path.with_name(path.name + ending)


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _is_item(path: Path, href: str | None = None) -> bool:
    """Whether a file is an item of ours, and of the store at `href`."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return False
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        ours = content["type"] == "Feature" and "timesenclip:digest" in content["properties"]
        return bool(ours) and (href is None or content["assets"]["embeddings"]["href"] == href)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
