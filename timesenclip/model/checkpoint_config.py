"""The `config.json` of a checkpoint: everything about it except its weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from timesenclip.bands import BAND_NAMES, NORMALISATIONS, band_index
from timesenclip.errors import CheckpointError, InputError
from timesenclip.model.encoder import EncoderConfig
from timesenclip.weights_files import read_config_json

__all__ = [
    "CARD_FILE",
    "CHECKPOINT_FILES",
    "CONFIG_FILE",
    "FORMAT_VERSION",
    "WEIGHTS_FILE",
    "Calibration",
    "CheckpointConfig",
    "TowerRef",
    "encoder_fields",
    "read_config",
]

WEIGHTS_FILE, CONFIG_FILE, CARD_FILE = "model.safetensors", "config.json", "README.md"
CHECKPOINT_FILES = (WEIGHTS_FILE, CONFIG_FILE, CARD_FILE)
"""The files of a checkpoint folder; the model card is optional."""


FORMAT_VERSION = 1
"""Version of the folder layout; a checkpoint of another version is refused."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TowerRef(_Strict):
    """The ground tower into whose embedding space the encoder was trained."""

    name: str
    """As `load_tower` takes it: `compact`, `hf-hub:openai/clip-vit-base-patch32`, a folder."""
    dim: int = Field(gt=0, le=16_384)
    """Dimension of its vectors, equal to the encoder's `embed_dim`."""
    revision: str | None = None
    """Revision on the hub, where there is one."""


class Calibration(_Strict):
    """How scores become probabilities and labels; fitted once on held-out places (see the model card)."""

    temperature: float = Field(0.05, gt=1e-6, le=1e6)
    """Probabilities are softmax(cosine / temperature)."""
    unknown_score: float | None = None
    """A pixel whose best cosine is below this is `unknown`; None = never."""
    fitted: bool = False
    """Whether the values were fitted or are placeholders."""
    phrase_margin: float | None = None
    """Margin over the background from which one phrase alone fits (`tasks.phrase_fit`); None: not fitted."""
    phrase_scale: float | None = Field(None, gt=1e-6, le=1e6)
    """Its probability is sigmoid((margin - phrase_margin) / phrase_scale); None: not fitted."""


class CheckpointConfig(_Strict):
    """Everything about a checkpoint except its weights; the content of `config.json`."""

    format_version: int = FORMAT_VERSION
    """Version of the folder layout."""
    name: str
    """Name of the checkpoint."""
    encoder: dict[str, Any]
    """Fields of `EncoderConfig`."""
    normalisation: str
    """Name in `timesenclip.bands.NORMALISATIONS`."""
    band_names: tuple[str, ...] | None = None
    """Bands that the encoder reads, in its order; None: all ten, in the order of the band table."""
    tower: TowerRef
    """The tower that embeds texts and, if it can, photographs."""
    hemisphere_shift: bool = False
    """Add half a year to the calendar of places south of the equator, so that a date stands for a season."""
    calibration: Calibration = Calibration()
    """How scores become probabilities and labels."""
    weights_dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """How the weights are stored; they are always loaded as float32."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Summary of the run: recipe, data, seed, versions."""

    @field_validator("band_names")
    @classmethod
    def _canonical_bands(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is None:
            return None
        known = tuple(BAND_NAMES[band_index(name)] for name in names)
        if not known or len(set(known)) < len(known):
            raise ValueError(f"{len(names)} bands; expected at least one, and none twice")
        return known

    def encoder_config(self) -> EncoderConfig:
        """The architecture.

        Raises:
            InputError: a field is unknown, or its value is no number of its kind or out of range.
        """
        return EncoderConfig().changed(self.encoder)


def encoder_fields(config: EncoderConfig) -> dict[str, Any]:
    """The fields of an architecture, as `CheckpointConfig.encoder` holds them."""
    return asdict(config)


def read_config(folder: Path) -> CheckpointConfig:
    """Read and check the `config.json` of a checkpoint folder.

    Raises:
        CheckpointError: it is not there, not JSON, of another version, or holds an unknown key or a wrong value.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise CheckpointError(
            f"'{folder}' has no {CONFIG_FILE}; a checkpoint folder needs {WEIGHTS_FILE} and {CONFIG_FILE}."
        )
    content = read_config_json(file)
    version = content.get("format_version")
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
    try:
        config.encoder_config()
    except InputError as error:
        raise CheckpointError(f"'{file}' does not describe an encoder: {error}") from error
    if config.normalisation not in NORMALISATIONS:
        raise CheckpointError(
            f"'{file}' names the normalisation '{config.normalisation}'; known: {', '.join(NORMALISATIONS)}."
        )
    return config
