"""Heads: class vectors fitted to labelled examples, saved beside a checkpoint and used in place of text prompts.

A head is K unit vectors and a temperature, which is what K phrases are to the model. Everything that classifies by
words can therefore classify by a head: `adapted(model, head)` is the model with these vectors in place of its text
tower. `timesenclip.tasks.fit_vectors` fits them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import CheckpointError, InputError, PromptError, TowerError
from timesenclip.files import write_json
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import Taxonomy, taxonomy_from_content
from timesenclip.messages import shorten_error
from timesenclip.model.checkpoint import Model
from timesenclip.owned import atomic_folder
from timesenclip.tasks.fit_vectors import Method, fit_vectors
from timesenclip.tasks.unknown import calibration_for
from timesenclip.weights_files import check_finite, read_config_json, read_safetensors_header

if TYPE_CHECKING:
    from timesenclip.ground.tower import ImageLike

__all__ = [
    "Head",
    "adapted",
    "fit_head",
    "load_head",
    "save_head",
    "with_unknown_below",
]

_FORMAT = 1
_VECTORS, _ABOUT = "head.safetensors", "head.json"

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """K unit vectors that are used in place of the vectors of K phrases."""

    taxonomy: Taxonomy
    """The K classes."""
    weights: Float
    """(K, D) unit rows."""
    temperature: float
    """Probabilities are softmax(cosine / temperature)."""
    checkpoint: str
    """Name of the checkpoint whose embeddings it was made for."""
    digest: str
    """That checkpoint's digest; the embeddings of another one have another meaning, so the head is refused."""
    about: dict[str, Any] = field(default_factory=dict)
    """How it was made: method, examples of each class, data, versions."""

    @property
    def tower_name(self) -> str:
        """The name of the tower of an adapted model: `head` and 12 digits of the SHA-256 of the vectors."""
        return f"head {hashlib.sha256(self.weights.tobytes()).hexdigest()[:12]}"


def fit_head(
    embeddings: Float,
    truth: NDArray[np.int64],
    taxonomy: Taxonomy,
    *,
    model: Model,
    method: Method = "anchored",
    text: Float | None = None,
    about: dict[str, Any] | None = None,
) -> Head:
    """Fit a head to labelled embeddings.

    Args:
        embeddings: (N, D) unit rows; rows of NaN are left out.
        truth: (N,) class index.
        taxonomy: K classes; `probe` keeps those that have an example, the others keep all.
        model: the model that made the embeddings.
        method: as in `fit_vectors`.
        text: (K, D) vectors of the words; default: the taxonomy's prompts through the model's tower.
        about: added to what is stored about it.

    Raises:
        InputError: fewer than two classes have examples, or the classes are too many or cannot be told apart.
        CheckpointError: the model was never saved, so the head could not be tied to a checkpoint.
    """
    if model.digest == "unsaved":
        raise CheckpointError("The model is not saved, so a head cannot be tied to it; save it and load it again.")
    seen = np.isfinite(embeddings).all(axis=1)
    x, y = embeddings[seen], truth[seen]
    present = np.unique(y)
    if len(present) < 2:
        only = taxonomy.names[int(present[0])] if len(present) else "none"
        raise InputError(f"{len(y)} examples of {len(present)} class ({only}); a head needs at least two classes.")
    words = class_vectors(taxonomy, model.tower) if text is None and method != "probe" else text
    vectors, temperature = fit_vectors(x, y, len(taxonomy), method=method, text=words)
    kept = present if method == "probe" else np.arange(len(taxonomy))
    classes = tuple(taxonomy.classes[int(k)] for k in kept)
    examples = {taxonomy.names[int(k)]: int((y == k).sum()) for k in kept}
    return Head(
        taxonomy=Taxonomy(taxonomy.name, taxonomy.title, taxonomy.source, classes),
        weights=vectors[kept],
        temperature=temperature,
        checkpoint=model.config.name,
        digest=model.digest,
        about={"method": method, "examples": examples, **(about or {})},
    )


def save_head(head: Head, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write `head.safetensors` and `head.json`; the folder appears when it is complete, an old head is replaced.

    Args:
        head: what to save.
        folder: where; its parents are made.
        overwrite: another output of ours in its place is replaced, too.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds something that is no head of ours.
    """
    from safetensors.numpy import save_file

    target = Path(folder)
    with atomic_folder(target, "head", overwrite=overwrite) as scratch:
        save_file({"vectors": np.ascontiguousarray(head.weights)}, scratch / _VECTORS)
        content = {
            "format_version": _FORMAT,
            "checkpoint": {"name": head.checkpoint, "digest": head.digest},
            "temperature": head.temperature,
            "taxonomy": asdict(head.taxonomy),
            "about": head.about,
        }
        write_json(scratch / _ABOUT, content)
    return target


def load_head(folder: str | Path) -> Head:
    """Read a head.

    Raises:
        CheckpointError: there is no head, or it is broken or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    root = Path(folder)
    if not (root / _ABOUT).is_file() or not (root / _VECTORS).is_file():
        raise CheckpointError(f"No head at '{root}': expected {_ABOUT} and {_VECTORS}, as `timesenclip adapt` writes.")
    try:
        content = read_config_json(root / _ABOUT)
        if content.get("format_version") != _FORMAT:
            raise CheckpointError(
                f"'{root / _ABOUT}' has format_version {content.get('format_version')!r}; this version reads {_FORMAT}."
            )
        taxonomy = taxonomy_from_content(content["taxonomy"], name=str(root / _ABOUT))
        classes = taxonomy.classes
        shape = read_safetensors_header(root / _VECTORS)["vectors"]
        if len(shape) != 2 or shape[0] != len(classes) or not shape[1]:
            raise CheckpointError(f"'{root}' has vectors of {shape} for {len(classes)} classes; make it again.")
        vectors = load_file(root / _VECTORS)["vectors"]
        check_finite({"vectors": vectors}, file=root / _VECTORS)
        temperature = content["temperature"]
        if type(temperature) not in (int, float) or not 1e-6 < temperature <= 1e6:
            raise CheckpointError(f"'{root / _ABOUT}' has the temperature {temperature!r:.40}; make the head again.")
        return Head(
            taxonomy=taxonomy,
            weights=np.asarray(vectors, np.float32),
            temperature=float(temperature),
            checkpoint=str(content["checkpoint"]["name"]),
            digest=str(content["checkpoint"]["digest"]),
            about=dict(content["about"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"The head at '{root}' is damaged ({type(error).__name__}: {shorten_error(error)}); make it again."
        ) from error


def adapted(model: Model, head: Head) -> Model:
    """The model with the vectors of the head in place of its text tower.

    Use it with `head.taxonomy` and the templates "name": it knows no other text. No class is `unknown` except where
    there was no clear observation.

    Raises:
        CheckpointError: the head was made for another checkpoint.
    """
    if head.digest != model.digest:
        raise CheckpointError(
            f"The head was made for checkpoint '{head.checkpoint}' ({head.digest}), and this is "
            f"'{model.config.name}' ({model.digest}); use that checkpoint, or run `timesenclip adapt` with this one."
        )
    tower = _HeadTower(head)
    calibration = model.config.calibration.model_copy(
        update={"temperature": head.temperature, "unknown_score": None, "fitted": True}
    )
    config = model.config.model_copy(
        update={
            "name": f"{model.config.name} with a head of {len(head.taxonomy)} classes",
            "tower": model.config.tower.model_copy(update={"name": tower.name}),
            "calibration": calibration,
        }
    )
    return Model(model.encoder, config, digest=model.digest, tower=tower)


def with_unknown_below(
    model: Model, cosine: float | None, *, answer_all: bool = False, classes: int | None = None
) -> Model:
    """The model with another rule of what is `unknown`; arguments and errors as `calibration_for`.

    Raises:
        InputError: `cosine` is outside -1..1.
    """
    if cosine is not None and not -1 <= cosine <= 1:
        raise InputError(f"unknown_below is {cosine:g}; a cosine is -1..1, and -1 calls nothing unknown.")
    calibration = calibration_for(model.config.calibration, cosine, answer_all=answer_all, classes=classes)
    if calibration is model.config.calibration:
        return model
    config = model.config.model_copy(update={"calibration": calibration})
    return Model(model.encoder, config, digest=model.digest, tower=model.tower)


class _HeadTower:
    """A tower that embeds the class names of a head and no other text."""

    def __init__(self, head: Head) -> None:
        self._row = {name: i for i, name in enumerate(head.taxonomy.names)}
        self._weights = head.weights
        self._name = head.tower_name

    @property
    def name(self) -> str:
        """`Head.tower_name`."""
        return self._name

    @property
    def dim(self) -> int:
        """Length D of a vector."""
        return int(self._weights.shape[1])

    def encode_text(self, texts: Sequence[str]) -> Float:
        """(P, D) vectors of class names.

        Raises:
            PromptError: a text is not the name of a class.
        """
        unknown = [text for text in texts if text not in self._row]
        if unknown:
            raise PromptError(
                f"A head knows the names of its {len(self._row)} classes only, not '{unknown[0]}'; ask without --head."
            )
        return self._weights[[self._row[text] for text in texts]]

    def encode_images(self, images: Sequence[ImageLike]) -> Float:
        """Not possible with a head.

        Raises:
            TowerError: always.
        """
        raise TowerError("A head holds class vectors only; use the checkpoint's own tower for photographs.")
