"""What is asked of a store: phrases, a class list or photographs, as one vector a class in the store's dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import CheckpointError, InputError, TowerError
from timesenclip.ground.load import load_tower
from timesenclip.ground.prompts import class_vectors, prompts_for
from timesenclip.ground.taxonomy import TaxonClass, Taxonomy, as_taxonomy, colour_cycle
from timesenclip.ground.tower import GroundTower
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.heads import Head, load_head

__all__ = ["MAX_CLASSES", "Question", "question_of", "question_of_head", "tower_of"]

MAX_CLASSES = 254
"""What a class map of one byte has room for, beside unknown and nodata."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, ready to be put to a store."""

    taxonomy: Taxonomy
    """The classes; a photograph is one, named after its file."""
    weights: NDArray[np.float32]
    """(K, d) float32, in the store's dimensions."""
    words: dict[str, Any]
    """What stands for each class: its prompts, or its photograph."""
    full: NDArray[np.float32]
    """(K, D) float32, in the tower's dimensions."""
    calibration: Calibration | None = None
    """How scores become answers, where that is not as the store says: a head brings its own."""
    tower: str | None = None
    """What the vectors come from, where that is not the store's tower: the name of a head."""


def question_of(
    store: EmbeddingStore,
    taxonomy: Taxonomy | str | Path | Sequence[str] | None = None,
    *,
    photos: Sequence[str | Path] = (),
    model: Model | None = None,
    tower: GroundTower | None = None,
    templates: str | Sequence[str] = "default",
) -> Question:
    """Embed a question with the tower that the store was made with.

    Args:
        store: what will be asked.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases.
        photos: photographs taken on the ground, instead of words; the tower must read images.
        model: a checkpoint to ask with; its tower must be the store's. Default: the store's tower alone.
        tower: the store's tower, when it is loaded already.
        templates: prompt templates.

    Raises:
        InputError: words and photographs, neither, or too many classes.
        TowerError: another tower, or one that reads no images.
    """
    if (taxonomy is None) == (not photos):
        raise InputError("Ask with phrases or a class list, or with photographs: one of them.")
    reader = tower or tower_of(store, model)
    if photos:
        classes = _photo_classes([Path(photo) for photo in photos])
        vectors = reader.encode_images([Path(photo) for photo in photos])
        words: dict[str, Any] = {taxon.name: str(path) for taxon, path in zip(classes.classes, photos, strict=True)}
    else:
        classes = as_taxonomy(taxonomy if taxonomy is not None else [])
        vectors = class_vectors(classes, reader, templates)
        words = {taxon.name: prompts_for(taxon, templates) for taxon in classes.classes}
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{len(classes)} classes; a class map holds at most {MAX_CLASSES}. Ask in several maps.")
    full = np.asarray(vectors, dtype=np.float32)
    return Question(classes, store.project(full), words, full)


def question_of_head(store: EmbeddingStore, head: Head | str | Path) -> Question:
    """Ask with the class vectors of a head.

    Raises:
        CheckpointError: there is no head, or it was made for another checkpoint than the store.
    """
    found = head if isinstance(head, Head) else load_head(head)
    if found.digest != store.info.digest:
        raise CheckpointError(
            f"The head was made for checkpoint '{found.checkpoint}' ({found.digest}), and the store '{store.path}' for "
            f"'{store.info.checkpoint}' ({store.info.digest}); embed the area with that checkpoint, or run "
            "`timesenclip adapt` with the store's."
        )
    names = found.taxonomy.names
    calibration = store.info.calibration.model_copy(
        update={"temperature": found.temperature, "unknown_score": None, "fitted": True}
    )
    words: dict[str, Any] = {name: ["a head learned from labelled points"] for name in names}
    return Question(found.taxonomy, store.project(found.weights), words, found.weights, calibration, found.tower_name)


def tower_of(store: EmbeddingStore, model: Model | None = None) -> GroundTower:
    """The tower that a store is asked with.

    Raises:
        TowerError: the model's is another, or another revision of it; the message names both.
    """
    info = store.info
    if model is None:
        return load_tower(info.tower, revision=info.tower_revision or None)
    theirs = model.config.tower
    # An early store does not record the revision: nothing is known that would contradict.
    same = theirs.name == info.tower and info.tower_revision in ("", theirs.revision)
    if not same:
        raise TowerError(
            f"The store '{store.path}' was made with the tower '{_with_revision(info.tower, info.tower_revision)}' "
            f"(checkpoint '{info.checkpoint}'), but checkpoint '{model.config.name}' has "
            f"'{_with_revision(theirs.name, theirs.revision)}'; ask without --checkpoint, or embed the area again."
        )
    return model.tower


def _with_revision(name: str, revision: str | None) -> str:
    return f"{name}@{revision}" if revision else name


def _photo_classes(paths: Sequence[Path]) -> Taxonomy:
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise InputError(f"Two photographs have the same name ({', '.join(sorted(names))}); rename one.")
    classes = tuple(
        TaxonClass(name, colour=colour) for name, colour in zip(names, colour_cycle(len(names)), strict=True)
    )
    return Taxonomy(name="photographs", title="Photographs of the user", source="", classes=classes)
