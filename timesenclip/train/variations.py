"""The trainings of a sweep: a recipe, and variations that change one setting each, or every combination of settings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from timesenclip.bands import BAND_NAMES, BAND_SETS
from timesenclip.errors import InputError
from timesenclip.evaluation.sweep.config import AXES, TrainAxes
from timesenclip.model.augment import AUGMENTATIONS
from timesenclip.train.recipe import PhotoRecipe, recipe_digest

__all__ = ["Variation", "variations"]


@dataclass(frozen=True, slots=True)
class Variation:
    """One training of a sweep."""

    name: str
    """`base`, or what differs from it: `bands=rgb`."""
    recipe: PhotoRecipe
    """The recipe of this training."""
    settings: Mapping[str, str | int]
    """Value on each axis, and the seed."""
    changed: tuple[str, ...]
    """Axes that differ from the base."""


def variations(axes: TrainAxes, recipe: PhotoRecipe, *, store_patch: int = 1) -> list[Variation]:
    """List the trainings of a sweep, the recipe itself first; equal trainings are listed once.

    Args:
        axes: settings to change.
        recipe: the base.
        store_patch: side of the patches of the recipe's store, the value of `data.patch_size` where it is not set.

    Raises:
        InputError: a value is invalid.
    """
    wrong = sorted({"bands", "patch_size"} & recipe.encoder_options.keys())
    if wrong:
        raise InputError(f"The recipe sets encoder_options.{wrong[0]}; set data.{wrong[0]}, which a sweep can vary.")
    recipe = _with(recipe, "patch_size", recipe.data.patch_size or store_patch, store_patch)
    start = _settings(recipe, store_patch)
    values = {axis: getattr(axes, axis) for axis in AXES if getattr(axes, axis)}
    if axes.cross:
        chosen = [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]
    else:
        chosen = [{}, *({axis: value} for axis, several in values.items() for value in several)]
    out: dict[str, Variation] = {}
    seeds = axes.seed or (recipe.seed,)
    for choice, seed in itertools.product(chosen, seeds):
        changed = recipe
        for axis, value in choice.items():
            changed = _with(changed, axis, value, store_patch)
        changed = _with(changed, "seed", seed, store_patch)
        settings = start | _training_settings(choice) | {"seed": seed}
        differs = tuple(axis for axis in AXES if settings[axis] != start[axis])
        name = ", ".join(f"{axis}={settings[axis]}" for axis in differs) or "base"
        name += f", seed={seed}" if len(seeds) > 1 else ""
        out.setdefault(recipe_digest(changed), Variation(name, changed, settings, differs))
    return list(out.values())


def _settings(recipe: PhotoRecipe, store_patch: int) -> dict[str, str | int]:
    """The value of a recipe on every axis, as a sweep file writes it."""
    return {
        "bands": _bands_word(recipe.data.bands or BAND_NAMES),
        "patch_size": recipe.data.patch_size or store_patch,
        "augmentation": "all" if recipe.augment else "none",
        "pooling": _pooling_word(recipe.objective.pooling),
        "bank_size": recipe.objective.bank_size,
    }


def _training_settings(choice: Mapping[str, Any]) -> dict[str, str | int]:
    out = dict(choice)
    if "pooling" in out:
        out["pooling"] = _pooling_word(out["pooling"])
    if "bands" in out:
        out["bands"] = _bands_word(_bands(out["bands"]))
    return out


def _bands(value: str) -> tuple[str, ...]:
    return BAND_SETS[value] if value in BAND_SETS else tuple(name.strip() for name in value.split(","))


def _bands_word(names: tuple[str, ...]) -> str:
    known = [key for key, value in BAND_SETS.items() if set(value) == set(names)]
    return known[0] if known else ",".join(names)


def _pooling_word(mode: str) -> str:
    return "attention" if mode == "per-image" else mode


def _with(recipe: PhotoRecipe, axis: str, value: Any, store_patch: int) -> PhotoRecipe:
    """The recipe with another value on an axis."""
    content = recipe.model_dump(mode="json")
    if axis == "bands":
        content["data"]["bands"] = _bands(value)
    elif axis == "patch_size":
        content["data"]["patch_size"] = None if value == store_patch else value
    elif axis == "augmentation":
        content["augment"] = _augment(recipe, value)
    elif axis == "pooling":
        content["objective"]["pooling"] = "per-image" if value == "attention" else value
    elif axis == "bank_size":
        content["objective"]["bank_size"] = value
    else:
        content["seed"] = value
    try:
        return PhotoRecipe.model_validate(content)
    except ValidationError as error:
        text = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError(f"The sweep's train.{axis}: {value}: {text}.") from error


def _augment(recipe: PhotoRecipe, value: str) -> list[dict[str, Any]]:
    own = [part.model_dump(mode="json") for part in recipe.augment]
    names = [part["name"] for part in own]
    if value == "none":
        return []
    if value == "all":
        if not own:
            raise InputError("The sweep's train.augmentation: 'all' means those of the recipe, but it has none.")
        return own
    if value.startswith("without "):
        gone = value.removeprefix("without ").strip()
        if gone not in names:
            listed = ", ".join(names) or "none"
            raise InputError(f"The sweep's train.augmentation: '{value}': the recipe's augmentations are {listed}.")
        return [part for part in own if part["name"] != gone]
    if value not in AUGMENTATIONS:
        raise InputError(
            f"The sweep's train.augmentation: '{value}' is unknown; expected all, none, 'without NAME', or one of "
            f"{', '.join(AUGMENTATIONS)}."
        )
    return [part for part in own if part["name"] == value] or [{"name": value}]
