"""Shell completion of the values of `--taxonomy` and `--checkpoint`; torch and rasterio are not imported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

__all__ = ["complete_checkpoint", "complete_taxonomy"]


def complete_taxonomy(incomplete: str) -> list[str]:
    """Names of the shipped class lists, and YAML files and folders."""
    shipped = resources.files("timesenclip") / "ground" / "taxonomies"
    names = [file.name.removesuffix(".yaml") for file in shipped.iterdir() if file.name.endswith(".yaml")]
    return _beginning_with(incomplete, [*names, *_paths(incomplete, ".yaml", ".yml")])


def complete_checkpoint(incomplete: str) -> list[str]:
    """Names of the shipped checkpoints, and folders."""
    shipped = resources.files("timesenclip") / "weights"
    names = [folder.name for folder in shipped.iterdir() if _is_checkpoint(folder)]
    return _beginning_with(incomplete, [*names, *_paths(incomplete)])


def _is_checkpoint(folder: Traversable) -> bool:
    """Whether a folder of shipped weights is a checkpoint; text towers lie beside the checkpoints."""
    config = folder / "config.json"
    return config.is_file() and "encoder" in json.loads(config.read_text(encoding="utf-8"))


def _paths(incomplete: str, *suffixes: str) -> list[str]:
    """Folders, and files with one of the suffixes, whose path starts with the text typed so far."""
    folder, slash, start = incomplete.rpartition("/")
    parent = Path(folder + slash) if slash else Path()
    try:
        found = sorted(parent.iterdir())
    except OSError:
        return []
    kept = [path for path in found if path.is_dir() or path.suffix in suffixes]
    hidden = start.startswith(".")
    return [f"{folder}{slash}{path.name}" for path in kept if hidden or not path.name.startswith(".")]


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
