"""Checkpoints: a folder with `model.safetensors`, `config.json` and a model card, found by name.

Names: `default` (shipped), a folder, `local-dir:FOLDER`, `hf-hub:OWNER/NAME[@REVISION]`. Nothing pickled is ever read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from timesenclip.bands import BAND_NAMES, NORMALISATIONS
from timesenclip.errors import CheckpointError, TimeSenCLIPError
from timesenclip.files import atomic_folder
from timesenclip.ground.load import load_tower
from timesenclip.messages import reason_of
from timesenclip.model.checkpoint_config import FORMAT_VERSION, CheckpointConfig
from timesenclip.model.encoder import SeriesEncoder
from timesenclip.settings import hub_is_offline

if TYPE_CHECKING:
    from timesenclip.ground.tower import GroundTower

__all__ = ["Model", "as_model", "load", "save", "shipped_names"]

_WEIGHTS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_SHIPPED = Path(__file__).parents[1] / "weights"
_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


class Model:
    """An encoder ready for use, with what is needed to ask it questions."""

    def __init__(
        self,
        encoder: SeriesEncoder,
        config: CheckpointConfig,
        *,
        digest: str = "unsaved",
        tower: GroundTower | None = None,
    ) -> None:
        """Take a trained encoder; it is put into evaluation mode. A tower given here is used instead of the named."""
        if encoder.config.embed_dim != config.tower.dim:
            raise CheckpointError(
                f"The encoder's embed_dim is {encoder.config.embed_dim}, but the tower '{config.tower.name}' has "
                f"{config.tower.dim} dimensions; they must be equal."
            )
        bands = len(config.band_names or BAND_NAMES)
        if encoder.config.bands != bands:
            raise CheckpointError(
                f"The encoder reads {encoder.config.bands} bands, but `band_names` says {bands} "
                f"({', '.join(config.band_names or ('all',))}); name the bands that it was trained with."
            )
        self.encoder = encoder.eval()
        self.config = config
        self.digest = digest
        """First 12 hexadecimal digits of the SHA-256 of the weights file."""
        self._tower: GroundTower | None = tower

    @property
    def tower(self) -> GroundTower:
        """The ground tower, loaded on first use.

        Raises:
            CheckpointError: its dimension is not the one that the checkpoint was trained with.
            TowerError: it cannot be loaded.
        """
        if self._tower is None:
            tower = load_tower(self.config.tower.name, revision=self.config.tower.revision)
            if tower.dim != self.config.tower.dim:
                raise CheckpointError(
                    f"The tower '{tower.name}' has {tower.dim} dimensions; checkpoint '{self.config.name}' was trained "
                    f"with {self.config.tower.dim}. Use the tower that it names."
                )
            self._tower = tower
        return self._tower

    def __repr__(self) -> str:
        """Name, size and tower."""
        count = sum(p.numel() for p in self.encoder.parameters())
        return f"Model({self.config.name!r}, {count:,} parameters, tower {self.config.tower.name!r})"


def shipped_names() -> tuple[str, ...]:
    """Names of the checkpoints that travel with the package."""
    return tuple(
        sorted(
            path.parent.name
            for path in _SHIPPED.glob(f"*/{_WEIGHTS}")
            if (path.parent / _CONFIG).is_file() and _is_ours(path.parent)
        )
    )


def load(name: str | Path = "default") -> Model:
    """Load a checkpoint.

    Args:
        name: `default` or another shipped name, a folder, `local-dir:FOLDER`, or `hf-hub:OWNER/NAME[@REVISION]`.

    Raises:
        CheckpointError: it is not there, broken, pickled, or written by another version.
    """
    folder = _find(str(name))
    config = _read_config(folder)
    weights = folder / _WEIGHTS
    if not weights.is_file():
        raise CheckpointError(f"'{folder}' has no {_WEIGHTS}; a checkpoint folder needs {_WEIGHTS} and {_CONFIG}.")
    try:
        encoder = SeriesEncoder(config.encoder_config())
        tensors = {key: value.float() for key, value in load_file(weights).items()}
    except SafetensorError as error:
        raise CheckpointError(
            f"'{weights}' is not a safetensors file or is cut short ({reason_of(error)}); fetch it again."
        ) from error
    except (TypeError, TimeSenCLIPError) as error:
        raise CheckpointError(f"'{folder / _CONFIG}' describes no encoder of ours: {error}") from error
    _fill(encoder, tensors, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    return Model(encoder, config, digest=digest)


def as_model(model: Model | str | Path | None = None) -> Model:
    """The model itself, or the one that a checkpoint's name or folder stands for; None is the default checkpoint.

    Raises:
        CheckpointError: as `load`.
    """
    return model if isinstance(model, Model) else load("default" if model is None else model)


def save(model: Model, folder: str | Path, *, card: str | None = None) -> Path:
    """Write a checkpoint folder, under a temporary name until it is complete; an old one is replaced.

    Args:
        model: what to save; weights are stored as `config.weights_dtype`.
        folder: where; its parents are made.
        card: text of the model card (README.md).

    Returns:
        The folder.
    """
    target = Path(folder)
    with atomic_folder(target) as scratch:
        dtype = getattr(torch, model.config.weights_dtype)
        tensors = {key: value.detach().to(dtype).contiguous() for key, value in model.encoder.state_dict().items()}
        save_file(tensors, scratch / _WEIGHTS)
        (scratch / _CONFIG).write_text(model.config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if card is not None:
            (scratch / _CARD).write_text(card, encoding="utf-8")
    return target


def _is_ours(folder: Path) -> bool:
    try:
        return "encoder" in json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return False


def _find(name: str) -> Path:
    if name.startswith("hf-hub:"):
        return _from_hub(name.removeprefix("hf-hub:"))
    path = Path(name.removeprefix("local-dir:")).expanduser()
    if path.suffix in _PICKLES:
        raise CheckpointError(
            f"'{path}' may hold pickled code, which is never read; give a folder with {_WEIGHTS} and {_CONFIG}."
        )
    if path.is_dir():
        return path
    if not name.startswith("local-dir:") and name in shipped_names():
        return _SHIPPED / name
    raise CheckpointError(
        f"No checkpoint '{name}': it is neither a folder nor a shipped name ({', '.join(shipped_names()) or 'none'}). "
        "Give a folder with model.safetensors, or hf-hub:OWNER/NAME."
    )


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repo, _, revision = name.partition("@")
    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision or None,
                allow_patterns=[_WEIGHTS, _CONFIG, _CARD],
                local_files_only=hub_is_offline(),
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"Cannot fetch '{repo}' from the hub ({type(error).__name__}: {reason_of(error)}); check the name and the "
            "connection, or give a folder."
        ) from error


def _read_config(folder: Path) -> CheckpointConfig:
    file = folder / _CONFIG
    if not file.is_file():
        raise CheckpointError(f"'{folder}' has no {_CONFIG}; a checkpoint folder needs {_WEIGHTS} and {_CONFIG}.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"'{file}' is not JSON ({reason_of(error)}); fetch the checkpoint again.") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"'{file}' has format_version {version!r}; this version of timesenclip reads {FORMAT_VERSION}. "
            "Install the version that wrote it, or train again."
        )
    try:
        config = CheckpointConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise CheckpointError(f"'{file}': '{'.'.join(map(str, first['loc']))}': {first['msg']}.") from error
    if config.normalisation not in NORMALISATIONS:
        raise CheckpointError(
            f"'{file}' names the normalisation '{config.normalisation}'; known: {', '.join(NORMALISATIONS)}."
        )
    return config


def _fill(encoder: SeriesEncoder, tensors: dict[str, torch.Tensor], where: Path) -> None:
    expected = encoder.state_dict()
    missing, extra = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    wrong = [key for key in expected.keys() & tensors.keys() if expected[key].shape != tensors[key].shape]
    if missing or extra or wrong:
        key = (missing or extra or wrong)[0]
        raise CheckpointError(
            f"'{where}' does not fit its config: {len(missing)} tensors missing, {len(extra)} unexpected, {len(wrong)} "
            f"of another shape, such as '{key}'. The folder mixes two checkpoints; fetch it again."
        )
    encoder.load_state_dict(tensors)
