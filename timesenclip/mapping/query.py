"""Queries: phrases, a class list, photographs or a head as one vector for each class, to be compared with pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from timesenclip._version import __version__
from timesenclip.errors import CheckpointError, InputError, TowerError
from timesenclip.ground.load import load_tower
from timesenclip.ground.prompts import class_vectors, prompts_for
from timesenclip.ground.taxonomy import TaxonClass, Taxonomy, as_taxonomy, colour_cycle
from timesenclip.ground.tower import GroundTower
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.classify import Predictions, classify_scores, judge_phrase
from timesenclip.tasks.heads import Head, load_head
from timesenclip.tasks.phrase_alone import Rivals, rivals_of
from timesenclip.tasks.unknown import calibration_for

__all__ = ["MAX_CLASSES", "Query", "load_store_tower", "make_query"]

MAX_CLASSES = 254
"""Number of classes for which a class map of one byte has values, besides unknown and nodata."""


@dataclass(frozen=True, slots=True)
class Query:
    """K classes as vectors, with all that is needed to turn scores into classes and to say where they come from."""

    taxonomy: Taxonomy
    """The classes; a photograph is one, named after its file."""
    vectors: NDArray[np.float32]
    """(K, d) in the dimensions of the pixels' embeddings; d is D for a model, and may be less for a store."""
    full: NDArray[np.float32]
    """(K, D) in the tower's dimensions."""
    calibration: Calibration
    """Temperature and threshold: those of the checkpoint, or of a head."""
    origin: dict[str, Any]
    """What the provenance of a map says of the query: versions, checkpoint, calibration, prompts."""
    rivals: Rivals | None = None
    """What one phrase alone is compared with, in the dimensions of the pixels' embeddings; None for several classes."""
    rivals_full: NDArray[np.float32] | None = None
    """(J, D) the same in the tower's dimensions."""
    unknown_below: float | None = None
    """The cosine that was given instead of the checkpoint's threshold."""

    @property
    def compared(self) -> NDArray[np.float32]:
        """(K, d), or (1 + J, d) with one phrase alone: all vectors that a pixel is compared with."""
        return self.vectors if self.rivals is None else np.concatenate([self.vectors, self.rivals.vectors])

    @property
    def label(self) -> str:
        """The first names and a digest of the vectors: two runs with one label ask the same."""
        digest = hashlib.sha256(np.ascontiguousarray(self.compared).tobytes()).hexdigest()[:12]
        names = self.taxonomy.names
        return f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''} ({digest})"

    def scores(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, K) cosines of embeddings (N, d), or (N, 1 + J) with one phrase alone; NaN rows stay NaN.

        Raises:
            InputError: the embeddings have another number of dimensions.
        """
        if embeddings.shape[1] != self.vectors.shape[1]:
            raise InputError(
                f"The embeddings have {embeddings.shape[1]} dimensions, the classes {self.vectors.shape[1]}; ask with "
                "the tower that the checkpoint was trained with."
            )
        return embeddings @ self.compared.T

    def classify(self, scores: NDArray[np.float32]) -> Predictions:
        """Classes and confidences of what `scores` gives, with the calibration."""
        calibration = self.calibration
        if self.rivals is not None:
            return judge_phrase(scores, calibration, self.unknown_below)
        return classify_scores(scores, temperature=calibration.temperature, unknown_score=calibration.unknown_score)

    def for_store(self, store: EmbeddingStore) -> Query:
        """The same query in the dimensions of another store of the same checkpoint.

        Raises:
            InputError: the store was made in another number of dimensions.
        """
        moved = replace(self, vectors=store.project(self.full))
        if self.rivals is None or self.rivals_full is None:
            return moved
        return replace(moved, rivals=self.rivals.moved(store.project(self.rivals_full)))


def make_query(
    asked: Model | EmbeddingStore,
    taxonomy: Taxonomy | str | Path | Sequence[str] | None = None,
    *,
    photos: Sequence[str | Path] = (),
    head: Head | str | Path | None = None,
    model: Model | None = None,
    tower: GroundTower | None = None,
    templates: str | Sequence[str] = "default",
    against: Taxonomy | str | Path | Sequence[str] | None = None,
    unknown_below: float | None = None,
    answer_all: bool = False,
) -> Query:
    """Embed what is asked with the tower that belongs to the pixels' embeddings.

    Args:
        asked: the model that embeds the pixels, or a store of embeddings.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases.
        photos: photographs taken on the ground, instead of words; the tower must read images.
        head: a head that was learned from labelled points, or its folder, instead of words; for a store only.
        model: a checkpoint to ask a store with; its tower must be the store's. Default: the store's tower alone.
        tower: the tower of the model or store, when it is loaded already.
        templates: prompt templates.
        against: with one phrase alone, what it is compared with instead of the shipped background: a class list, its
            name, a YAML file, or a list of phrases.
        unknown_below: cosine below which a pixel is unknown, instead of the checkpoint's; -1: never.
        answer_all: give every pixel that was seen its best class.

    Raises:
        CheckpointError: there is no head, or it was made for another checkpoint than the store.
        InputError: none or several of words, photographs and head, too many classes, or `unknown_below` is no cosine.
        PromptError: a prompt or a template cannot be used.
        TowerError: another tower, or one that reads no images.
    """
    if unknown_below is not None and not -1 <= unknown_below <= 1:
        raise InputError(f"unknown_below is {unknown_below:g}; a cosine is -1..1, and -1 calls nothing unknown.")
    if against is not None and taxonomy is None:
        raise InputError("A background was given (--against) without a phrase; give it with one phrase alone.")
    if head is not None:
        if taxonomy is not None or photos or model is not None or isinstance(asked, Model):
            raise InputError("A head brings its own classes and checkpoint; ask with it alone.")
        return _head_query(asked, head, unknown_below, answer_all)
    if (taxonomy is None) == (not photos):
        raise InputError("Ask with phrases or a class list, or with photographs: one of them.")
    reader = tower or (asked.tower if isinstance(asked, Model) else load_store_tower(asked, model))
    prompts: dict[str, Any]
    rivals = None
    if taxonomy is None:
        classes = _checked(_photo_classes([Path(photo) for photo in photos]))
        full = reader.encode_images([Path(photo) for photo in photos])  # (K, D)
        prompts = {taxon.name: str(photo) for taxon, photo in zip(classes.classes, photos, strict=True)}
    else:
        classes = _checked(as_taxonomy(taxonomy))
        rivals = rivals_of(classes, reader, against=against, templates=templates)
        full = class_vectors(classes, reader, templates)  # (K, D)
        prompts = {taxon.name: prompts_for(taxon, templates) for taxon in classes.classes}
    full = np.asarray(full, dtype=np.float32)
    calibration = asked.config.calibration if isinstance(asked, Model) else asked.info.calibration
    origin = _origin(asked) | {"taxonomy": classes.name, "templates": templates, "prompts": prompts}
    calibration = calibration_for(calibration, unknown_below, answer_all=answer_all, classes=len(classes))
    origin |= {"answer_all": answer_all}
    query = Query(classes, _projected(asked, full), full, calibration, origin)
    if rivals is None:
        return query
    return replace(
        query,
        origin=origin | {"against": rivals.about},
        rivals=rivals.moved(_projected(asked, rivals.vectors)),
        rivals_full=rivals.vectors,
        unknown_below=unknown_below,
    )


def _projected(asked: Model | EmbeddingStore, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (K, D) in the dimensions of the pixels' embeddings (K, d)."""
    return vectors if isinstance(asked, Model) else asked.project(vectors)


def load_store_tower(store: EmbeddingStore, model: Model | None = None) -> GroundTower:
    """Load the tower of a store, or take that of the model if it is the same.

    Raises:
        TowerError: the model has another tower, or another revision of it.
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


def _origin(asked: Model | EmbeddingStore) -> dict[str, Any]:
    """What the provenance says of the model or of the store."""
    if isinstance(asked, Model):
        config = asked.config
        return {
            "timesenclip": __version__,
            "torch": torch.__version__,
            "checkpoint": {"name": config.name, "digest": asked.digest, "tower": config.tower.name},
            "calibration": config.calibration.model_dump(),
        }
    info = asked.info
    return {
        "timesenclip": __version__,
        "store": str(asked.path),
        "checkpoint": {"name": info.checkpoint, "digest": info.digest, "tower": info.tower},
        "calibration": info.calibration.model_dump(),
        "dimensions": {"full": info.full_dims, "kept": info.dims, "share_of_length": info.kept},
    }


def _head_query(store: EmbeddingStore, head: Head | str | Path, unknown_below: float | None, answer_all: bool) -> Query:
    """Make a query from the class vectors of a head; a pixel is unknown only if `unknown_below` is given."""
    found = head if isinstance(head, Head) else load_head(head)
    info = store.info
    if found.digest != info.digest:
        raise CheckpointError(
            f"The head was made for checkpoint '{found.checkpoint}' ({found.digest}), and the store '{store.path}' for "
            f"'{info.checkpoint}' ({info.digest}); embed the area with that checkpoint, or run `timesenclip adapt` "
            "with the store's."
        )
    classes = _checked(found.taxonomy)
    own = {"temperature": found.temperature, "unknown_score": None, "fitted": True}
    calibration = info.calibration.model_copy(update=own)
    origin = _origin(store)
    origin |= {
        "checkpoint": origin["checkpoint"] | {"tower": found.tower_name},
        "calibration": calibration.model_dump(),
        "taxonomy": classes.name,
        "templates": "name",
        "prompts": {name: ["a head learned from labelled points"] for name in classes.names},
    }
    full = found.weights
    calibration = calibration_for(calibration, unknown_below, answer_all=answer_all, classes=len(classes))
    return Query(classes, store.project(full), full, calibration, origin | {"answer_all": answer_all})


def _checked(classes: Taxonomy) -> Taxonomy:
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{len(classes)} classes; a class map holds at most {MAX_CLASSES}. Ask in several maps.")
    return classes


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
