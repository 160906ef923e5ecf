"""Load and save checkpoints: a folder with `model.safetensors`, `config.json` and a model card.

Names: `default` (shipped), a folder, `local-dir:FOLDER`, `hf-hub:OWNER/NAME[@REVISION]`. Pickled files are never read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load as safetensors_load
from safetensors.torch import save_file

from timesenclip.bands import BAND_NAMES
from timesenclip.errors import CheckpointError
from timesenclip.ground.load import check_hub_name, load_tower, local_folder
from timesenclip.messages import redact, shorten_error
from timesenclip.model.checkpoint_config import (
    CARD_FILE,
    CHECKPOINT_FILES,
    CONFIG_FILE,
    WEIGHTS_FILE,
    CheckpointConfig,
    read_config,
)
from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.owned import atomic_folder
from timesenclip.settings import hub_is_offline
from timesenclip.weights_files import check_finite, compare_shapes, read_config_json, read_safetensors_header

if TYPE_CHECKING:
    from timesenclip.ground.tower import GroundTower

__all__ = ["Model", "as_model", "load", "save", "shipped_names"]

_SHIPPED = Path(__file__).parents[1] / "weights"
_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


class Model:
    """An encoder ready for use, its configuration, and the ground tower whose embedding space it shares."""

    def __init__(
        self,
        encoder: SeriesEncoder,
        config: CheckpointConfig,
        *,
        digest: str = "unsaved",
        tower: GroundTower | None = None,
    ) -> None:
        """Take a trained encoder; it is put into evaluation mode.

        Args:
            encoder: the encoder.
            config: everything else about the checkpoint.
            digest: first 12 hexadecimal digits of the SHA-256 of the weights file.
            tower: used instead of the tower that `config` names; its dimension is not checked.

        Raises:
            CheckpointError: the encoder's dimension or number of bands is not the one in `config`.
        """
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
            CheckpointError: the tower has another dimension than the checkpoint was trained with.
            TowerError: the tower cannot be loaded.
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
    """Names of the checkpoints that are shipped with the package, sorted."""
    return tuple(
        sorted(
            path.parent.name
            for path in _SHIPPED.glob(f"*/{WEIGHTS_FILE}")
            if (path.parent / CONFIG_FILE).is_file() and _has_encoder(path.parent)
        )
    )


def load(name: str | Path = "default") -> Model:
    """Load a checkpoint.

    Args:
        name: `default` or another shipped name, a folder, `local-dir:FOLDER`, or `hf-hub:OWNER/NAME[@REVISION]`.

    Raises:
        CheckpointError: there is no such checkpoint, or it is broken, pickled or written by another version.
    """
    folder = _find(str(name))
    config = read_config(folder)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise CheckpointError(
            f"'{folder}' has no {WEIGHTS_FILE}; a checkpoint folder needs {WEIGHTS_FILE} and {CONFIG_FILE}."
        )
    encoder, digest = _read_encoder(config.encoder_config(), weights)
    return Model(encoder, config, digest=digest)


def as_model(model: Model | str | Path | None = None) -> Model:
    """Return a model as it is, and load a checkpoint by its name or folder; None is the default checkpoint.

    Raises:
        CheckpointError: as `load`.
    """
    return model if isinstance(model, Model) else load("default" if model is None else model)


def save(model: Model, folder: str | Path, *, card: str | None = None, overwrite: bool = False) -> Path:
    """Write a checkpoint folder under a temporary name and rename it when it is complete; an older one is replaced.

    Args:
        model: what to save; weights are stored as `config.weights_dtype`.
        folder: where; its parents are made.
        card: text of the model card (README.md).
        overwrite: another output of ours in its place is replaced, too.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds something that is no checkpoint of ours.
    """
    target = Path(folder)
    with atomic_folder(target, "checkpoint", overwrite=overwrite) as scratch:
        dtype = getattr(torch, model.config.weights_dtype)
        tensors = {key: value.detach().to(dtype).contiguous() for key, value in model.encoder.state_dict().items()}
        save_file(tensors, scratch / WEIGHTS_FILE)
        (scratch / CONFIG_FILE).write_text(redact(model.config.model_dump_json(indent=2)) + "\n", encoding="utf-8")
        if card is not None:
            (scratch / CARD_FILE).write_text(redact(card), encoding="utf-8")
    return target


def _has_encoder(folder: Path) -> bool:
    """Whether a shipped folder is a checkpoint, not a text tower, whose files have the same names."""
    try:
        return "encoder" in read_config_json(folder / CONFIG_FILE)
    except CheckpointError:
        return False


def _find(name: str) -> Path:
    if name.startswith("hf-hub:"):
        return _from_hub(name.removeprefix("hf-hub:"))
    path = local_folder(name)
    if path.suffix in _PICKLES:
        raise CheckpointError(
            f"'{path}' may hold pickled code, which is never read; give a folder with {WEIGHTS_FILE} and {CONFIG_FILE}."
        )
    if name and path.is_dir():
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

    repo, mark, revision = name.partition("@")
    check_hub_name(repo, revision=revision if mark else None)
    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision or None,
                allow_patterns=list(CHECKPOINT_FILES),
                local_files_only=hub_is_offline(),
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"Cannot fetch '{repo}' from the hub ({type(error).__name__}: {shorten_error(error)}); check the "
            "name and the "
            "connection, or give a folder."
        ) from error


def _read_encoder(config: EncoderConfig, file: Path) -> tuple[SeriesEncoder, str]:
    """The encoder with the weights of a file, and the file's digest. Nothing is allocated before the header fits.

    Raises:
        CheckpointError: names or shapes are not those of the encoder, or a weight is not finite.
    """
    shapes = read_safetensors_header(file)
    layers = len({name.split(".")[2] for name in shapes if name.startswith("transformer.layers.")})
    if layers != config.depth:
        raise CheckpointError(
            f"'{file}' does not fit its config: the weights have {layers} layers, the config says {config.depth} "
            "(tensors missing or unexpected). The folder mixes two checkpoints; fetch it again."
        )
    with torch.device("meta"):
        encoder = SeriesEncoder(config)
    compare_shapes(shapes, {name: tuple(value.shape) for name, value in encoder.state_dict().items()}, file=file)
    content = file.read_bytes()
    try:
        tensors = {name: value.float() for name, value in safetensors_load(content).items()}
    except (SafetensorError, ValueError, KeyError) as error:  # KeyError: a data type that torch does not have
        raise CheckpointError(
            f"'{file}' is not a safetensors file or is cut short ({shorten_error(error)}); fetch it again."
        ) from error
    check_finite(tensors, file=file)
    encoder.load_state_dict(tensors, assign=True)
    return encoder, hashlib.sha256(content).hexdigest()[:12]
