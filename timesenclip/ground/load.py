"""Load a ground tower by name."""

from __future__ import annotations

import re
from pathlib import Path

from timesenclip.errors import CheckpointError, InputError, TowerError
from timesenclip.ground.clip.tower import ClipTower
from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.tower import GroundTower
from timesenclip.weights_files import read_config_json

__all__ = ["check_hub_name", "is_compact_folder", "load_tower", "local_folder"]

_COMPACT_NAMES = ("compact", "compact-text", "compact-text-v1")
_LOCAL, _HUB = "local-dir:", "hf-hub:"
_HUB_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}")


def is_compact_folder(folder: Path) -> bool:
    """Whether a folder holds a static text tower (model2vec) rather than a CLIP-like model."""
    return _model_type(folder) == "model2vec"


def load_tower(name: str | Path = "compact", *, revision: str | None = None) -> GroundTower:
    """Load a ground tower by name.

    Args:
        name: `compact` (shipped, text only, offline); a folder or `local-dir:FOLDER`, saved by transformers or
            model2vec; `hf-hub:ID` or a hub id such as `openai/clip-vit-base-patch32`.
        revision: commit, tag or branch of a model on the hub.

    Raises:
        InputError: the name is empty, or no name on the hub could be it.
        TowerError: no tower can be loaded under this name; the message says what a name may be.
        MissingExtraError: the tower needs transformers, which is not installed.
    """
    given = str(name)
    if given in _COMPACT_NAMES:
        return CompactTextTower()
    if given.startswith(_HUB):
        check_hub_name(given.removeprefix(_HUB), revision=revision)
        return _clip(given.removeprefix(_HUB), revision)
    folder = local_folder(given) if given else Path()
    if given and folder.is_dir():
        return CompactTextTower(folder) if is_compact_folder(folder) else _clip(str(folder), None)
    hub_like = given.count("/") == 1 and not given.startswith((".", "/", "~", _LOCAL))
    if hub_like and not isinstance(name, Path):
        check_hub_name(given, revision=revision)
        return _clip(given, revision)
    raise TowerError(
        f"No ground tower '{given}': it is neither 'compact', nor a folder, nor a hub id like "
        "'openai/clip-vit-base-patch32'; correct the name or the path."
    )


def check_hub_name(name: str, *, revision: str | None = None) -> None:
    """Check the name of a model on the hub, before anything is asked of the network.

    Raises:
        InputError: it is no OWNER/NAME (or NAME), or the revision is no branch, tag or commit.
    """
    if not _HUB_NAME.fullmatch(name) or ".." in name or "--" in name:
        raise InputError(f"{ascii(name)[:100]} is no name on the hub; expected OWNER/NAME, such as 'me/my-model'.")
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise InputError(f"{ascii(revision)[:100]} is no revision; expected a branch, tag or commit.")


def local_folder(name: str) -> Path:
    """The folder that a name stands for, with or without `local-dir:`.

    Raises:
        InputError: it has no characters, or some that no path has.
    """
    path = name.removeprefix(_LOCAL)
    if not path.strip() or "\0" in path:
        raise InputError(f"{ascii(name)[:100]} names no folder; give its path.")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # a home that cannot be found: `~nobody`
        raise InputError(f"{ascii(name)[:100]} names no folder ({error}); give its path.") from error


def _model_type(folder: Path) -> str | None:
    """`model_type` in the `config.json` of a folder; None where there is no such file or key."""
    if not (folder / "config.json").is_file():
        return None
    try:
        kind = read_config_json(folder / "config.json").get("model_type")
    except CheckpointError:
        return None
    return kind if isinstance(kind, str) else None


def _clip(source: str, revision: str | None) -> GroundTower:
    if _model_type(Path(source)) == "timesenclip_clip_resnet":
        from timesenclip.ground.clip.resnet import ResNetClipTower  # needs torch, and `load_tower('compact')` does not

        return ResNetClipTower(source)
    return ClipTower(source, revision=revision)
