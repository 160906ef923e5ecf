"""Heads: what a few labelled examples add to the words, saved beside a checkpoint and used like words.

A head is K unit vectors and a temperature, exactly what K phrases are to the model, so that everything that asks with
words can ask with a head: `adapted(model, head)` is the model with those vectors in place of its text tower.

Three ways to make one:

- `anchored` (default): logistic regression that starts at the words' vectors and is held to them, so that it is the
  zero-shot answer without examples and a linear probe with many;
- `prototype`: the mean of a class's examples, in which the words count as `TEXT_COUNTS_AS` examples;
- `probe`: logistic regression on the embeddings alone.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import CheckpointError, InputError, PromptError, TowerError
from timesenclip.files import atomic_folder, write_json
from timesenclip.ground.taxonomy import TaxonClass, Taxonomy
from timesenclip.model.checkpoint import Model

if TYPE_CHECKING:
    from timesenclip.ground.tower import ImageLike

__all__ = [
    "METHODS",
    "TEXT_COUNTS_AS",
    "Head",
    "Method",
    "adapted",
    "expected_of_few",
    "fit_head",
    "fit_vectors",
    "load_head",
    "save_head",
    "with_unknown_below",
]

Method = Literal["anchored", "prototype", "probe"]
METHODS: tuple[Method, ...] = ("anchored", "prototype", "probe")
TEXT_COUNTS_AS = 8.0
"""Examples that the words of a class are worth in a prototype."""
_HOLD = 0.3
"""Strength with which `anchored` is held to the words; of 0.01 to 0.3 the best from 1 to 100 examples a class on the
WorldCereal tables (land cover and crops)."""
_STRENGTH = 10.0
_STEPS = 100
_FORMAT = 1
_VECTORS, _ABOUT = "head.safetensors", "head.json"

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """K unit vectors that stand where K phrases would."""

    taxonomy: Taxonomy
    """The K classes."""
    weights: Float
    """(K, D) unit rows."""
    temperature: float
    """Probabilities are softmax(cosine / temperature)."""
    checkpoint: str
    """Name of the checkpoint whose embeddings it was made for."""
    digest: str
    """That checkpoint's digest; with another one the head means nothing and is refused."""
    about: dict[str, Any] = field(default_factory=dict)
    """How it was made: method, examples of each class, data, versions."""

    @property
    def tower_name(self) -> str:
        """What stands in the place of a tower's name: that it is a head, and which."""
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
    """Make a head of labelled embeddings.

    Args:
        embeddings: (N, D) unit rows; rows of NaN are left out.
        truth: (N,) class index.
        taxonomy: K classes; `probe` keeps those that have an example, the others keep all.
        model: the model that made the embeddings.
        method: see the module.
        text: (K, D) vectors of the words; default: the taxonomy's prompts through the model's tower.
        about: added to what is stored about it.

    Raises:
        InputError: nothing to learn from, or a single class.
        CheckpointError: the model was never saved, so that a head could not be tied to it.
    """
    from timesenclip.ground.prompts import class_vectors

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


def fit_vectors(
    embeddings: Float, truth: NDArray[np.int64], classes: int, *, method: Method, text: Float | None = None
) -> tuple[Float, float]:
    """Unit vectors (K, D) and a temperature for labelled embeddings; rows of zeros for classes `probe` never saw.

    Args:
        embeddings: (N, D) unit rows.
        truth: (N,) class index.
        classes: K.
        method: see the module.
        text: (K, D) vectors of the words, for `anchored` and `prototype`.

    Raises:
        InputError: no text vectors where they are needed, or more classes than a head can hold.
    """
    from threadpoolctl import threadpool_limits

    if method != "probe" and text is None:
        raise InputError(f"The method '{method}' starts from words; give their vectors, or use 'probe'.")
    with threadpool_limits(1):  # small problems: several threads only wait for each other
        if method == "probe" or text is None:
            return _probe(embeddings, truth, classes)
        if method == "anchored":
            return _equal_lengths(_anchored(embeddings, truth, text))
    total = TEXT_COUNTS_AS * text.astype(np.float64)
    np.add.at(total, truth, embeddings)
    vectors = total / np.linalg.norm(total, axis=1, keepdims=True)
    return vectors.astype(np.float32), _temperature(embeddings @ vectors.T, truth)


def save_head(head: Head, folder: str | Path) -> Path:
    """Write `head.safetensors` and `head.json`; the folder appears when it is complete, an old head is replaced.

    Raises:
        InputError: the folder is there and is no head.
    """
    from safetensors.numpy import save_file

    target = Path(folder)
    if target.exists() and not (target / _ABOUT).is_file() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"'{target}' is there and is no head; choose another folder.")
    with atomic_folder(target) as scratch:
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
        CheckpointError: it is not there, broken, or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    root = Path(folder)
    if not (root / _ABOUT).is_file() or not (root / _VECTORS).is_file():
        raise CheckpointError(f"No head at '{root}': expected {_ABOUT} and {_VECTORS}, as `timesenclip adapt` writes.")
    try:
        content = json.loads((root / _ABOUT).read_text(encoding="utf-8"))
        if content.get("format_version") != _FORMAT:
            raise CheckpointError(
                f"'{root / _ABOUT}' has format_version {content.get('format_version')!r}; this version reads {_FORMAT}."
            )
        listed = content["taxonomy"]
        classes = tuple(
            TaxonClass(c["name"], tuple(c["synonyms"]), tuple(c["prompts"]), c["code"], c["colour"])
            for c in listed["classes"]
        )
        vectors = load_file(root / _VECTORS)["vectors"]
        if vectors.shape[0] != len(classes):
            raise CheckpointError(f"'{root}' has {vectors.shape[0]} vectors for {len(classes)} classes; make it again.")
        return Head(
            taxonomy=Taxonomy(listed["name"], listed["title"], listed["source"], classes),
            weights=np.asarray(vectors, np.float32),
            temperature=float(content["temperature"]),
            checkpoint=str(content["checkpoint"]["name"]),
            digest=str(content["checkpoint"]["digest"]),
            about=dict(content["about"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"The head at '{root}' is damaged ({type(error).__name__}: {error}); make it again."
        ) from error


def adapted(model: Model, head: Head) -> Model:
    """The model with the head's vectors in place of its words.

    Ask it with `head.taxonomy` and the templates "name"; nothing else is understood, and nothing is `unknown` but what
    was never seen.

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


def with_unknown_below(model: Model, cosine: float | None) -> Model:
    """The model with another similarity below which it calls a pixel `unknown`; None leaves the checkpoint's.

    Raises:
        InputError: it is no cosine.
    """
    from timesenclip.model.checkpoint import Model as AnyModel

    if cosine is None:
        return model
    if not -1 <= cosine <= 1:
        raise InputError(f"unknown_below is {cosine:g}; a cosine is -1..1, and -1 calls nothing unknown.")
    calibration = model.config.calibration.model_copy(update={"unknown_score": cosine})
    config = model.config.model_copy(update={"calibration": calibration})
    return AnyModel(model.encoder, config, digest=model.digest, tower=model.tower)


class _HeadTower:
    """A tower that knows the names of a head's classes and nothing else."""

    def __init__(self, head: Head) -> None:
        self._row = {name: i for i, name in enumerate(head.taxonomy.names)}
        self._weights = head.weights
        self._name = head.tower_name

    @property
    def name(self) -> str:
        """Says that it is a head, and which."""
        return self._name

    @property
    def dim(self) -> int:
        """Length D of a vector."""
        return int(self._weights.shape[1])

    def encode_text(self, texts: Sequence[str]) -> Float:
        """(P, D) vectors of class names."""
        unknown = [text for text in texts if text not in self._row]
        if unknown:
            raise PromptError(
                f"A head knows the names of its {len(self._row)} classes only, not '{unknown[0]}'; ask without --head."
            )
        return self._weights[[self._row[text] for text in texts]]

    def encode_images(self, images: Sequence[ImageLike]) -> Float:
        """A head knows no photographs."""
        raise TowerError("A head holds class vectors only; use the checkpoint's own tower for photographs.")


@contextmanager
def expected_of_few() -> Iterator[None]:
    """Without scikit-learn's warnings about what is meant here: a few samples of many classes, and enough steps."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
        yield


def _probe(embeddings: Float, truth: NDArray[np.int64], classes: int) -> tuple[Float, float]:
    from sklearn.linear_model import LogisticRegression

    with expected_of_few():
        found = LogisticRegression(C=_STRENGTH, fit_intercept=False, class_weight="balanced", max_iter=300).fit(
            np.asarray(embeddings, np.float64), truth
        )
    rows = found.coef_ if len(found.classes_) > 2 else np.concatenate([-found.coef_, found.coef_]) / 2
    vectors, temperature = _equal_lengths(rows)
    out = np.zeros((classes, embeddings.shape[1]), np.float32)
    out[found.classes_] = vectors
    return out, temperature


def _anchored(embeddings: Float, truth: NDArray[np.int64], text: Float) -> NDArray[np.float64]:
    """(K, D) rows that minimise class-balanced cross-entropy + hold / 2 * squared distance from text / temperature."""
    import torch

    x, y = torch.from_numpy(np.asarray(embeddings, np.float64)), torch.from_numpy(truth)
    start = torch.from_numpy(text.astype(np.float64) / _text_temperature(embeddings, truth, text))
    count = np.bincount(truth, minlength=len(text))
    weight = torch.from_numpy(len(truth) / ((count > 0).sum() * np.maximum(count, 1))[truth])
    rows = start.clone().requires_grad_()
    search = torch.optim.LBFGS([rows], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Any:
        search.zero_grad()
        errors = torch.nn.functional.cross_entropy(x @ rows.T, y, reduction="none")
        value = (weight * errors).sum() + _HOLD / 2 * ((rows - start) ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    return rows.detach().numpy()


def _text_temperature(embeddings: Float, truth: NDArray[np.int64], text: Float) -> float:
    return _temperature(embeddings @ text.T, truth)


def _temperature(scores: NDArray[Any], truth: NDArray[np.int64]) -> float:
    """The temperature, of a fixed grid, under which the truth is most likely; the middle one wins where it is flat."""
    best, chosen = np.inf, 0.04
    own = scores[np.arange(len(truth)), truth]
    for temperature in np.geomspace(0.02, 0.1, 9):
        shifted = (scores - scores.max(axis=1, keepdims=True)) / temperature
        loss = float((np.log(np.exp(shifted).sum(axis=1)) - (own - scores.max(axis=1)) / temperature).mean())
        if loss < best - 1e-9:
            best, chosen = loss, float(temperature)
    return chosen


def _equal_lengths(rows: NDArray[np.float64]) -> tuple[Float, float]:
    """Unit vectors and a temperature that give the same softmax as the rows.

    One vector added to every row changes no softmax. The shortest one that makes all rows equally long is found
    (K - 1 linear equations); their common length is then 1 / temperature.
    """
    if len(rows) > rows.shape[1] + 1:
        raise InputError(f"{len(rows)} classes in {rows.shape[1]} dimensions; a head holds one more than dimensions.")
    square = (rows**2).sum(axis=1)
    shift = np.linalg.lstsq(2 * (rows[1:] - rows[0]), square[0] - square[1:], rcond=None)[0]
    moved = rows + shift
    length = np.linalg.norm(moved, axis=1)
    if length.max() > length.min() * 1.001 or not length.min() > 0:
        raise InputError("Two classes have the same examples, so no head tells them apart; join them.")
    return (moved / length[:, None]).astype(np.float32), float(1 / length.mean())
