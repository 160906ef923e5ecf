"""The typed form of a sweep file: which checkpoints, what is trained for it, and how each is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.messages import first_mistake, reason_of

__all__ = ["AXES", "SweepConfig", "TrainAxes", "read_sweep"]

AXES = ("bands", "patch_size", "augmentation", "pooling", "bank_size")
"""What only another training can change, in the order of tables."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainAxes(_Strict):
    """What is trained for a sweep: a recipe, and what is changed about it, one thing at a time."""

    recipe: str
    """Recipe for photographs, relative to the sweep file."""
    changes: tuple[str, ...] = ()
    """`key=value`, as `train --set` takes them: what all trainings have in common."""
    bands: tuple[str, ...] = ()
    """`all`, `10m`, `rgb`, or names with commas (`B04,B08`)."""
    patch_size: tuple[int, ...] = ()
    """Sides of the middle of the store's patches, in pixels."""
    augmentation: tuple[str, ...] = ()
    """`all` (those of the recipe), `none`, the name of one, or `without NAME`."""
    pooling: tuple[Literal["attention", "per-image", "per-dim", "mean", "one-view"], ...] = ()
    """How the photographs of a place become one vector; `attention` is `per-image`."""
    bank_size: tuple[int, ...] = ()
    """Keys in the memory bank."""
    seed: tuple[int, ...] = ()
    """Every variation is trained with each of them; a seed is a repetition, not a variation."""
    cross: bool = False
    """Every combination, instead of one thing at a time."""


class SweepConfig(_Strict):
    """What a sweep file may hold."""

    name: str = Field(min_length=1)
    """Name of the sweep."""
    checkpoints: tuple[str, ...] = ()
    """Checkpoints, as `load` takes them; default: the shipped one, unless something is trained."""
    train: TrainAxes | None = None
    """Checkpoints that are trained for the sweep."""
    data: tuple[str, ...] = Field(min_length=1)
    """Labelled tables, or one training store, relative to the sweep file."""
    labels: str
    """Column of the labels; of a store `FILE:COLUMN` or `auto` too."""
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
    seeds: tuple[int, ...] = (0,)
    """Draws of the steps."""

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
    def _one_question(self) -> SweepConfig:
        if bool(self.prompts) == bool(self.taxonomy):
            raise ValueError("give either `taxonomy` or `prompts`")
        if min(self.months_kept, default=0) < 1:
            raise ValueError("`months_kept` needs numbers from 1 on")
        return self


def read_sweep(path: str | Path) -> SweepConfig:
    """Read a sweep file.

    Raises:
        DataNotFoundError: no such file.
        InputError: it is no YAML, a key is unknown, or a value cannot be.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No sweep file '{file}'; give a YAML file.")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise InputError(f"'{file}' holds no settings; see docs/cli.md for a sweep.")
        config = SweepConfig.model_validate(content)
    except yaml.YAMLError as error:
        raise InputError(f"'{file}' is not readable as YAML ({reason_of(error)}).") from error
    except ValidationError as error:
        raise InputError(f"'{file}': {first_mistake(error, SweepConfig)}") from error
    train = config.train
    if train is not None:
        train = train.model_copy(update={"recipe": _beside(file, train.recipe)})
    data = tuple(_beside(file, name) for name in config.data)
    return config.model_copy(update={"data": data, "train": train})


def _beside(file: Path, name: str) -> str:
    return name if Path(name).is_absolute() else str(file.parent / name)
