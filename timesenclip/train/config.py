"""The typed form of a training recipe (`configs/*.yaml`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.messages import first_mistake

__all__ = ["TrainConfig", "read_config"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldConfig(_Strict):
    """Where the pixel years come from."""

    simulated: int = Field(60_000, ge=64)
    """Simulated places held at a time."""
    refresh_steps: int = Field(400, ge=1)
    """New places are simulated after this many steps."""
    l1c: float = Field(0.1, ge=0, le=1)
    """Share of simulated places given as top-of-atmosphere reflectance."""
    without_b8a: float = Field(0.2, ge=0, le=1)
    """Share of simulated places whose B8A repeats B08."""
    real: bool = True
    """Also train on the real points of `--real`, where that is given."""
    real_share: float = Field(0.15, ge=0, lt=1)
    """Share of every batch that is real."""


class LossConfig(_Strict):
    """What is minimised: contrast with the notes of other places, and with what is false of this place."""

    temperature: float = Field(0.07, gt=0)
    """Start of the learnable temperature."""
    bank_size: int = Field(2048, ge=0)
    """Keys in the memory bank."""
    pooling: Literal["per-image", "per-dim", "mean"] = "per-image"
    """How the notes of one place become one vector."""
    contrast_weight: float = Field(1.0, ge=0)
    """Weight of InfoNCE between places and their notes."""
    question_weight: float = Field(1.0, ge=0)
    """Weight of InfoNCE between places and the true and false classes of each question."""


class TrainConfig(_Strict):
    """One training run."""

    name: str
    """Name of the checkpoint."""
    seed: int = 0
    """Everything random follows from it."""
    encoder: str = "small"
    """Preset of `timesenclip.model.encoder.PRESETS`."""
    tower: str = "compact"
    """Ground tower, as `load_tower` takes it."""
    normalisation: str = "sqrt"
    """Normalisation of `timesenclip.bands.NORMALISATIONS`."""
    hemisphere_shift: bool = True
    """Give southern places their season's position instead of their calendar month's."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the encoder."""
    steps: int = Field(4000, ge=1)
    """Optimiser steps."""
    batch_size: int = Field(512, ge=8)
    """Places in a batch."""
    learning_rate: float = Field(1.5e-3, gt=0)
    """Peak of the schedule: linear warm-up, then cosine to zero."""
    warmup: float = Field(0.08, ge=0, lt=1)
    """Share of the steps spent warming up."""
    weight_decay: float = Field(0.02, ge=0)
    """AdamW's."""
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the averaged weights that are saved."""
    world: WorldConfig = WorldConfig()
    """Where the pixel years come from."""
    loss: LossConfig = LossConfig()
    """What is minimised."""


def read_config(path: str | Path) -> TrainConfig:
    """Read and check a recipe.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: a key is unknown or a value out of range; the message names it.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No training recipe at '{file}'; give a YAML file such as configs/default.yaml.")
    try:
        return TrainConfig.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except ValidationError as error:
        raise InputError(f"'{file}': {first_mistake(error, TrainConfig)}") from error
