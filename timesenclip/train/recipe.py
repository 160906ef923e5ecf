"""The typed form of a training recipe (`configs/*.yaml`): `recipe: photos` or `recipe: field-notes`.

The first trains on photographs (`configs/paper.yaml`, `configs/better.yaml`, and yours), the second on simulated and
real places with field notes, as the shipped checkpoint was trained (`configs/default.yaml`). One trainer takes both.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from timesenclip.bands import BAND_NAMES, BAND_SETS, NORMALISATIONS, band_index
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.messages import first_validation_error, show_value
from timesenclip.model.augment import AUGMENTATIONS
from timesenclip.model.encoder import PRESETS
from timesenclip.read_files import parse_yaml, read_yaml

__all__ = ["FieldNotesRecipe", "PhotoRecipe", "Recipe", "read_recipe", "recipe_digest"]


_MOST_STEPS = 1_000_000_000
"""No run has more steps or epochs; a larger number is a slip."""


_NAME = re.compile(r"[^/\\:]{1,100}")
"""Names of recipes, which are names of folders."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_bool_as_number(cls, content: Any) -> Any:
        """Refuse `epochs: true`, which pydantic would read as 1."""
        for name, value in content.items() if isinstance(content, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and bool not in (field.annotation, Any):
                raise ValueError(f"`{name}` is {str(value).lower()}; expected {_wanted(field.annotation)}")
        return content


def _wanted(annotation: Any) -> str:
    """What a setting takes, in a word."""
    kinds = {annotation, *get_args(annotation)}
    return "a number" if kinds & {int, float} else "another value"


class DataConfig(_Strict):
    """Training data of a recipe for photographs."""

    series: str
    """Folder of the training store (`timesenclip data sen4map`)."""
    ground: str | None = None
    """Embedded photographs: a folder of `ground embed`, or the published `.pt` dictionary."""
    pairs: str | None = None
    """Table that says which photograph belongs to which series; without it, LUCAS ids do."""
    directions: tuple[str, ...] = ("W", "E", "N", "S")
    """Views of a LUCAS point that are used."""
    least_views: int = Field(1, ge=1, le=1000)
    """Smallest number of views that a place must have."""
    exclude: tuple[str, ...] = ()
    """Ids of places to leave out."""
    unit_views: bool = True
    """Scale every photograph's vector to unit length before pooling; false takes it as it was stored."""
    bands: tuple[str, ...] | None = None
    """Bands that the encoder gets: `rgb`, `10m`, or a list of names; null or `all`: all ten."""
    patch_size: int | None = Field(None, ge=1, le=256)
    """Side in pixels of the central part of the store's patches that the encoder gets; null: the whole patch."""

    @field_validator("bands", mode="before")
    @classmethod
    def _named_set(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in BAND_SETS:
                raise ValueError(f"unknown set of bands '{value}', expected one of {', '.join(BAND_SETS)}, or a list")
            return BAND_SETS[value]
        return value

    @field_validator("bands")
    @classmethod
    def _our_names(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is None:
            return None
        known = tuple(BAND_NAMES[band_index(name)] for name in names)
        if not known or len(set(known)) < len(known):
            raise ValueError(f"bands {list(names)}: give each once, and at least one")
        return None if known == BAND_NAMES else known


class SplitConfig(_Strict):
    """Which places are held out."""

    kind: Literal["blocks", "lists"] = "blocks"
    """`blocks`: whole squares of the globe; `lists`: files of ids."""
    block_deg: float = Field(0.5, ge=1e-4, le=180)
    """Side of a block in degrees."""
    validation: float = Field(0.05, gt=0, lt=1)
    """Share of the blocks that selects checkpoints."""
    test: float = Field(0.05, ge=0, lt=1)
    """Share of the blocks that are not used in training."""
    gap_m: float = Field(2000.0, ge=0, le=1e7)
    """Training places nearer than this to a held-out one are left unused."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of the assignment of blocks to parts."""
    lists: dict[Literal["train", "validation", "test"], str] = Field(default_factory=dict)
    """Files of ids by part (.npy, .txt, .json)."""
    min_distance_m: float = Field(0.0, ge=0, le=1e8)
    """Held-out places closer than this to a training place are refused."""
    allow_close: bool = False
    """Warn about places that are too close, instead of refusing them."""

    @model_validator(mode="after")
    def _complete(self) -> SplitConfig:
        if self.kind == "lists" and not {"train", "validation"} <= set(self.lists):
            raise ValueError("kind 'lists' needs lists.train and lists.validation")
        return self


class AugmentConfig(_Strict):
    """One augmentation."""

    name: str
    """Name, one of `timesenclip.model.augment.AUGMENTATIONS`."""
    p: float = Field(0.5, ge=0, le=1)
    """Probability that a place is changed."""

    @model_validator(mode="after")
    def _known(self) -> AugmentConfig:
        if self.name not in AUGMENTATIONS:
            raise ValueError(f"unknown augmentation '{self.name}', expected one of {', '.join(AUGMENTATIONS)}")
        return self


class ObjectiveConfig(_Strict):
    """Settings of the loss."""

    temperature: float = Field(0.07, ge=1e-6, le=1e6)
    """Initial temperature."""
    learn_temperature: bool = True
    """Whether it is learned (scale at most 100)."""
    bank_size: int = Field(2048, ge=0, le=10_000_000)
    """Ground keys of earlier steps that serve as negatives."""
    in_batch: bool = False
    """Also use the other places of the batch as negatives."""
    symmetric: bool = False
    """Also ask ground -> satellite."""
    ignore_same_place: bool = False
    """Do not use keys of the same place as negatives."""
    pooling: Literal["per-image", "per-dim", "mean", "one-view"] = "per-image"
    """How the photographs of a place become one vector; `one-view`: a random one in each step, the first at
    validation."""

    @model_validator(mode="after")
    def _negatives(self) -> ObjectiveConfig:
        if not self.in_batch and self.bank_size == 0:
            raise ValueError("no negatives at all: set bank_size above 0 or in_batch to true")
        if self.symmetric and not self.in_batch:
            raise ValueError("a symmetric loss needs in_batch: true")
        return self


class FieldNotesObjective(ObjectiveConfig):
    """The loss of a recipe for field notes: contrast with the notes of other places, and with false classes."""

    in_batch: bool = True
    """Also use the notes of the other places of the batch as negatives."""
    symmetric: bool = True
    """Also ask ground -> satellite."""
    ignore_same_place: bool = True
    """Do not use keys of the same kind of place as negatives, because places of one kind have the same notes."""
    contrast_weight: float = Field(1.0, ge=0)
    """Weight of InfoNCE between places and their notes."""
    question_weight: float = Field(1.0, ge=0)
    """Weight of InfoNCE between places and the classes of each class list."""
    teacher_weight: float = Field(0.0, ge=0)
    """Weight of the cross-entropy between the teacher's probabilities of the Dynamic World classes and ours."""
    feature_weight: float = Field(0.0, ge=0)
    """Weight of one minus the cosine between the teacher's features and those predicted from the embedding."""


class WorldConfig(_Strict):
    """Simulated and real pixel years of a recipe for field notes."""

    simulated: int = Field(60_000, ge=64, le=100_000_000)
    """Simulated places held at a time."""
    refresh_steps: int = Field(400, ge=1, le=_MOST_STEPS)
    """New places are simulated after this many steps."""
    l1c: float = Field(0.1, ge=0, le=1)
    """Share of simulated places given as top-of-atmosphere reflectance."""
    without_b8a: float = Field(0.2, ge=0, le=1)
    """Share of simulated places whose B8A repeats B08."""
    real: str | None = None
    """Folder of the real series (`timesenclip.train.field_notes.real_sets`) that are trained on; null: simulated places
    only."""
    real_share: float = Field(0.15, ge=0, lt=1)
    """Share of real places in every batch, if there are any."""
    leave_out: tuple[str, ...] = ()
    """Regions whose real series are not trained on, so that the checkpoint can be measured there."""
    teacher: str | None = None
    """File of Presto's published weights, which are asked about the places; null: no teacher."""
    teach_simulated: bool = True
    """Ask the teacher about simulated places too, and not about real ones only."""
    teacher_balance: float = Field(0.5, ge=0, le=1)
    """How far the teacher's class priors over the real sets are taken out, 0..1."""
    band_dropout: float = Field(0.0, ge=0, le=1)
    """Probability that a place loses bands, for an encoder with `band_mask`."""


class OptimiserConfig(_Strict):
    """AdamW and its schedule."""

    learning_rate: float = Field(1e-4, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(1e-4, ge=0, le=1e3)
    """Weight decay, of every parameter with `decay_all`, else of matrices only."""
    decay_all: bool = False
    """Decay biases, norms and tokens too, as the authors do."""
    schedule: Literal["cosine-cycle", "warmup-cosine", "constant"] = "warmup-cosine"
    """`cosine-cycle`: down and up again, stepped by epoch. `warmup-cosine`: up, then down to zero, stepped by step."""
    period_epochs: int = Field(10, ge=1, le=_MOST_STEPS)
    """Epochs from top to bottom of a cycle."""
    warmup: float = Field(0.03, ge=0, lt=1)
    """Share of the steps spent warming up."""
    clip_norm: float | None = Field(1.0, gt=0, le=1e9)
    """Largest gradient norm; null: gradients are not clipped."""


class SelectionConfig(_Strict):
    """Selection of the checkpoint by retrieval among held-out places; labels are not used."""

    every_epochs: int = Field(1, ge=1, le=_MOST_STEPS)
    """Validate after this many epochs."""
    places: int = Field(4096, ge=2, le=1_000_000)
    """Most held-out places that are compared with one another."""
    recall_at: Literal[1, 5, 10] = 10
    """Mean of satellite -> ground and ground -> satellite Recall@K decides."""
    patience: int | None = Field(None, ge=1, le=_MOST_STEPS)
    """Stop after this many validations without a better one."""


class _Training(_Strict):
    """Settings of both kinds of recipe."""

    recipe: str
    """Kind of recipe."""
    name: str
    """Name of the checkpoint."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of every random choice."""
    tower: str | None = None
    """Tower of the ground embeddings; needed where their file does not say (the published dictionary)."""
    encoder: str = "paper"
    """Preset of `timesenclip.model.encoder.PRESETS`."""
    encoder_options: dict[str, Any] = Field(default_factory=dict)
    """Fields of `EncoderConfig` to change."""
    normalisation: str = "sen4map"
    """Name of the normalisation, one of `timesenclip.bands.NORMALISATIONS`."""
    hemisphere_shift: bool = False
    """Give southern places their season's position instead of their calendar month's."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.encoder not in PRESETS:
            raise ValueError(f"unknown encoder '{self.encoder}', expected one of {', '.join(PRESETS)}")
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(f"unknown normalisation '{self.normalisation}', expected {', '.join(NORMALISATIONS)}")
        if not _NAME.fullmatch(self.name) or not self.name.isprintable() or self.name.startswith("."):
            raise ValueError(f"name {ascii(self.name)[:40]}: expected 1 to 100 characters, no slash, no dot first")
        PRESETS[self.encoder].changed({"heads": 1} | self.encoder_options)  # raises where a value is none
        return self


class PhotoRecipe(_Training):
    """One training run on photographs."""

    recipe: Literal["photos"]
    """Kind of recipe."""
    data: DataConfig
    """Settings of the training data."""
    split: SplitConfig = SplitConfig()
    """Which places are held out."""
    augment: tuple[AugmentConfig, ...] = ()
    """Augmentations, in order."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """Settings of the loss."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """AdamW and its schedule."""
    selection: SelectionConfig = SelectionConfig()
    """How a checkpoint is chosen."""
    epochs: int = Field(100, ge=1, le=_MOST_STEPS)
    """Passes over the training places."""
    batch_size: int = Field(1024, ge=2, le=10_000_000)
    """Places in a micro-batch, over all devices."""
    accumulate: int = Field(1, ge=1, le=1_000_000)
    """Micro-batches in a step; the bank changes after the step, so that all of them see the same negatives."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    """As Lightning names it."""
    ema: float | None = Field(None, gt=0, lt=1)
    """Decay of averaged weights; they are then what is validated and saved. null: none."""
    save_every_steps: int = Field(200, ge=1, le=_MOST_STEPS)
    """Optimiser steps between saved states; what is lost at most when a run is killed."""


class FieldNotesRecipe(_Training):
    """One training run on places with field notes."""

    recipe: Literal["field-notes"]
    """Kind of recipe."""
    tower: str = "compact"
    """Ground tower that embeds the notes, as `load_tower` takes it."""
    encoder: str = "small"
    """Preset of `timesenclip.model.encoder.PRESETS`."""
    normalisation: str = "sqrt"
    """Name of the normalisation, one of `timesenclip.bands.NORMALISATIONS`."""
    hemisphere_shift: bool = True
    """Give southern places their season's position instead of their calendar month's."""
    world: WorldConfig = WorldConfig()
    """Where the pixel years come from."""
    objective: FieldNotesObjective = FieldNotesObjective()
    """Settings of the loss."""
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=1.5e-3, weight_decay=0.02, warmup=0.08)
    """AdamW and its schedule; an epoch is `world.refresh_steps` steps."""
    steps: int = Field(4000, ge=1, le=_MOST_STEPS)
    """Optimiser steps."""
    batch_size: int = Field(512, ge=8, le=10_000_000)
    """Places in a micro-batch, over all devices."""
    accumulate: int = Field(1, ge=1, le=1_000_000)
    """Micro-batches in a step."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """As Lightning names it."""
    ema: float | None = Field(0.998, gt=0, lt=1)
    """Decay of the averaged weights, which are what is saved. null: none."""
    save_every_steps: int = Field(200, ge=1, le=_MOST_STEPS)
    """Optimiser steps between saved states; what is lost at most when a run is killed."""


Recipe = PhotoRecipe | FieldNotesRecipe
"""A training run; its key `recipe` says of which kind."""

_KINDS: dict[str, type[PhotoRecipe] | type[FieldNotesRecipe]] = {
    "photos": PhotoRecipe,
    "field-notes": FieldNotesRecipe,
}


def read_recipe(path: str | Path, *, changes: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: YAML file.
        changes: `key=value` with dotted keys, such as `data.series=my.zarr`; values are YAML.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no YAML, or a key is unknown or a value out of range; the message names it.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No training recipe at '{file}'; give a YAML file such as configs/paper.yaml.")
    content = read_yaml(file, what="training recipe")
    if not isinstance(content, dict):
        raise InputError(f"'{file}' holds no settings; see configs/paper.yaml.")
    for change in changes:
        _change(content, change)
    kind = _kind(content, file)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(f"'{file}': {first_validation_error(error, kind)}") from error


def _kind(content: dict[str, Any], file: Path) -> type[PhotoRecipe] | type[FieldNotesRecipe]:
    """The class of a recipe. Chosen here, since pydantic's unions put the kind into the path of every message."""
    if "recipe" not in content and "world" in content:
        raise InputError(
            f"'{file}' does not say its kind; it looks like field notes: add `recipe: field-notes` and name its "
            "settings as configs/default.yaml does."
        )
    kind = content.get("recipe", "photos")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"'{file}': `recipe` is {kind!r}; expected one of {', '.join(_KINDS)}.")
    return _KINDS[kind]


def _change(content: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise InputError(f"'{change}' is no change; expected key=value such as batch_size=256.")
    *parents, last = key.strip().split(".")
    node = content
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise InputError(f"'{change}': '{parent}' has no settings below it.")
        node = child
    node[last] = parse_yaml(value, name=show_value(change))


def recipe_digest(recipe: Recipe) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the settings that decide the weights (not `save_every_steps`)."""
    content = recipe.model_dump(mode="json")
    content.pop("save_every_steps")
    # Settings that were added later are left out if they have their default: so that older runs can be continued.
    for key in ("bands", "patch_size") if isinstance(recipe, PhotoRecipe) else ():
        if content["data"][key] is None:
            del content["data"][key]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
