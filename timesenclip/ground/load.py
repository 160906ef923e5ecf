"""Load a ground tower by name."""

from __future__ import annotations

from pathlib import Path

from timesenclip.errors import CheckpointError, TowerError
from timesenclip.ground.clip.tower import ClipTower
from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.tower import GroundTower
from timesenclip.weights_files import read_config_json

__all__ = ["is_compact_folder", "load_tower"]

_COMPACT_NAMES = ("compact", "compact-text", "compact-text-v1")
_LOCAL, _HUB = "local-dir:", "hf-hub:"


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
        TowerError: no tower can be loaded under this name; the message says what a name may be.
        MissingExtraError: the tower needs transformers, which is not installed.
    """
    given = str(name)
    if given in _COMPACT_NAMES:
        return CompactTextTower()
    if given.startswith(_HUB):
        return _clip(given.removeprefix(_HUB), revision)
    folder = Path(given.removeprefix(_LOCAL)).expanduser()
    if given and folder.is_dir():
        return CompactTextTower(folder) if is_compact_folder(folder) else _clip(str(folder), None)
    hub_like = given.count("/") == 1 and not given.startswith((".", "/", "~", _LOCAL))
    if hub_like and not isinstance(name, Path):
        return _clip(given, revision)
    raise TowerError(
        f"No ground tower '{given}': it is neither 'compact', nor a folder, nor a hub id like "
        "'openai/clip-vit-base-patch32'; correct the name or the path."
    )


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
