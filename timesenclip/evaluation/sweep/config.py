"""The typed form of a sweep file: its checkpoints, what is trained for it, and how each checkpoint is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.messages import first_validation_error
from timesenclip.read_files import read_yaml

__all__ = ["AXES", "SweepConfig", "TrainAxes", "read_sweep"]

AXES = ("bands", "patch_size", "augmentation", "pooling", "bank_size")
"""Settings that need another training, in the order of the tables."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainAxes(_Strict):
    """What is trained for a sweep: a recipe, and changes to it, one at a time."""

    recipe: str
    """Recipe for photographs, relative to the sweep file."""
    changes: tuple[str, ...] = ()
    """`key=value` as for `train --set`; changes that all trainings share."""
    bands: tuple[str, ...] = ()
    """`all`, `10m`, `rgb`, or names with commas (`B04,B08`)."""
    patch_size: tuple[int, ...] = ()
    """Sides in pixels of the central part of the store's patches that the encoder reads."""
    augmentation: tuple[str, ...] = ()
    """`all` (those of the recipe), `none`, the name of one, or `without NAME`."""
    pooling: tuple[Literal["attention", "per-image", "per-dim", "mean", "one-view"], ...] = ()
    """How the photographs of a place become one vector; `attention` is `per-image`."""
    bank_size: tuple[int, ...] = ()
    """Keys in the memory bank."""
    seed: tuple[int, ...] = ()
    """Seeds; every variation is trained with each of them."""
    cross: bool = False
    """Train every combination, instead of one change at a time."""


class SweepConfig(_Strict):
    """The keys of a sweep file."""

    name: str = Field(min_length=1)
    """Name of the sweep."""
    checkpoints: tuple[str, ...] = ()
    """Checkpoints by name or folder; default: the shipped one, unless the sweep trains."""
    train: TrainAxes | None = None
    """Checkpoints that are trained for the sweep."""
    data: tuple[str, ...] = Field(min_length=1)
    """Labelled tables, or one training store, relative to the sweep file."""
    labels: str
    """Column of the labels; for a store also `FILE:COLUMN` or `auto`."""
    mapping: tuple[str, ...] = ()
    """Mappings, applied one after the other."""
    taxonomy: str | None = None
    """Class list by name or file."""
    prompts: tuple[str, ...] = ()
    """Phrases instead of a taxonomy."""
    templates: tuple[str, ...] = ("default",)
    """Template sets."""
    composites: tuple[Literal["month", "quarter", "year"], ...] = ("month",)
    """Length of a step."""
    months_kept: tuple[int, ...] = (12,)
    """Steps kept of each series, chosen at random."""
    seeds: tuple[NonNegativeInt, ...] = (0,)
    """Seeds of the choice of steps."""

    @model_validator(mode="before")
    @classmethod
    def _where_training_belongs(cls, values: Any) -> Any:
        wrong = [key for key in (*AXES, "patch") if isinstance(values, dict) and key in values]
        if wrong:
            raise ValueError(
                f"`{wrong[0]}` cannot be changed after training: put it under `train`, which names a recipe, or list "
                "checkpoints that were trained so under `checkpoints`"
            )
        if isinstance(values, dict) and not values.get("checkpoints") and values.get("train") is None:
            return values | {"checkpoints": ("default",)}
        return values

    @model_validator(mode="after")
    def _one_class_list(self) -> SweepConfig:
        if bool(self.prompts) == bool(self.taxonomy):
            raise ValueError("give either `taxonomy` or `prompts`")
        if min(self.months_kept, default=0) < 1:
            raise ValueError("`months_kept` needs numbers from 1 on")
        return self


def read_sweep(path: str | Path) -> SweepConfig:
    """Read a sweep file.

    Raises:
        DataNotFoundError: the file does not exist.
        InputError: the file is not YAML, a key is unknown, or a value is not allowed.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No sweep file '{file}'; give a YAML file.")
    try:
        content = read_yaml(file, what="sweep file")
        if not isinstance(content, dict):
            raise InputError(f"'{file}' holds no settings; see docs/cli.md for a sweep.")
        config = SweepConfig.model_validate(content)
    except ValidationError as error:
        raise InputError(f"'{file}': {first_validation_error(error, SweepConfig)}") from error
    train = config.train
    if train is not None:
        train = train.model_copy(update={"recipe": _beside(file, train.recipe)})
    data = tuple(_beside(file, name) for name in config.data)
    return config.model_copy(update={"data": data, "train": train})


def _beside(file: Path, name: str) -> str:
    return name if Path(name).is_absolute() else str(file.parent / name)
