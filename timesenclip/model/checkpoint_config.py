"""The `config.json` of a checkpoint: everything about it except its weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from timesenclip.bands import BAND_NAMES, band_index
from timesenclip.model.encoder import EncoderConfig

__all__ = ["FORMAT_VERSION", "Calibration", "CheckpointConfig", "TowerRef", "encoder_fields"]

FORMAT_VERSION = 1
"""Version of the folder layout; a checkpoint of another version is refused."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TowerRef(_Strict):
    """The ground tower that the encoder was trained to meet."""

    name: str
    """As `load_tower` takes it: `compact`, `hf-hub:openai/clip-vit-base-patch32`, a folder."""
    dim: int = Field(gt=0)
    """Dimension of its vectors, equal to the encoder's `embed_dim`."""
    revision: str | None = None
    """Revision on the hub, where there is one."""


class Calibration(_Strict):
    """How scores become answers; fitted once on held-out places (see the model card)."""

    temperature: float = Field(0.05, gt=0)
    """Probabilities are softmax(cosine / temperature)."""
    unknown_score: float | None = None
    """A pixel whose best cosine is below this is `unknown`; None = never."""
    fitted: bool = False
    """Whether the values were fitted or are placeholders."""


class CheckpointConfig(_Strict):
    """Everything about a checkpoint except its weights."""

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
    """Where words (and photographs) are embedded."""
    hemisphere_shift: bool = False
    """Add half a year to the calendar of places south of the equator: season instead of month."""
    calibration: Calibration = Calibration()
    """How scores become answers."""
    weights_dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """How the weights are stored; they are always loaded as float32."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Summary of the run: recipe, data, seed, versions."""

    @field_validator("band_names")
    @classmethod
    def _our_bands(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is None:
            return None
        known = tuple(BAND_NAMES[band_index(name)] for name in names)
        if not known or len(set(known)) < len(known):
            raise ValueError(f"{len(names)} bands, some of them twice or none at all")
        return known

    def encoder_config(self) -> EncoderConfig:
        """The architecture."""
        return EncoderConfig(**self.encoder)


def encoder_fields(config: EncoderConfig) -> dict[str, Any]:
    """An architecture as `CheckpointConfig.encoder` holds it."""
    return asdict(config)
