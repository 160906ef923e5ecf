"""Prompt studies: sets of prompts compared, and the effect of each prompt on its own.

`prompt_sets` and `prompt_effects` need labels and describe the results on these labels; prompts chosen by them must not
be evaluated on the same labels. `select_prompts` uses text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import PromptError
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import Metrics, compute_metrics
from timesenclip.ground.prompts import DEFAULT, DESCRIPTIVE, prompts_for, template_sets
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.ground.tower import GroundTower

__all__ = ["SELECTED", "PromptEffect", "PromptSet", "prompt_effects", "prompt_sets", "select_prompts"]

SELECTED = "selected without labels"
"""Name of the set that `select_prompts` keeps."""


@dataclass(frozen=True, slots=True)
class PromptSet:
    """One set of prompts for all classes, and its metrics."""

    name: str
    """Template set, `descriptive`, `default`, or `SELECTED`."""
    prompts: dict[str, tuple[str, ...]]
    """Prompts by class."""
    metrics: Metrics
    """Zero-shot metrics with it; `unknown` is never predicted."""


@dataclass(frozen=True, slots=True)
class PromptEffect:
    """Effect of one prompt of a class."""

    class_name: str
    """Name of the class."""
    prompt: str
    """Text of the prompt."""
    balanced_accuracy: float
    """Average class accuracy with the prompt minus without it; above 0 the prompt helps."""
    recall: float
    """Recall of the class with the prompt minus without it."""
    precision: float
    """Precision of the class with the prompt minus without it; NaN where the class was never predicted."""


def prompt_sets(
    data: LabelledSet, embeddings: NDArray[np.float32], tower: GroundTower, *, draws: int = 200, seed: int = 0
) -> list[PromptSet]:
    """Metrics of every template set that the taxonomy has prompts for, and of the prompts that `select_prompts` keeps.

    Args:
        data: N labelled samples.
        embeddings: (N, D) unit rows.
        tower: the tower of the checkpoint.
        draws, seed: number of draws and seed of the bootstrap.
    """
    asked: list[tuple[str, dict[str, tuple[str, ...]]]] = []
    for name in template_sets():
        if name == DESCRIPTIVE and not all(taxon.prompts for taxon in data.taxonomy.classes):
            continue
        asked.append((name, {taxon.name: tuple(prompts_for(taxon, name)) for taxon in data.taxonomy.classes}))
    kept = select_prompts(data.taxonomy, tower)
    if kept != dict(asked)[DEFAULT]:
        asked.append((SELECTED, kept))
    out = []
    for name, prompts in asked:
        predicted = (embeddings @ _weights(prompts, tower).T).argmax(axis=1)
        found = compute_metrics(
            data.truth, predicted, names=data.taxonomy.names, block=data.block, draws=draws, seed=seed
        )
        out.append(PromptSet(name, prompts, found))
    return out


def prompt_effects(
    data: LabelledSet, embeddings: NDArray[np.float32], tower: GroundTower, *, templates: str | Sequence[str] = DEFAULT
) -> list[PromptEffect]:
    """Effect of each prompt, by leaving it out: most helpful first. Classes with a single prompt are left out."""
    prompts = {taxon.name: prompts_for(taxon, templates) for taxon in data.taxonomy.classes}
    weights = _weights(prompts, tower)
    scores = embeddings @ weights.T  # (N, K)
    whole = compute_metrics(data.truth, scores.argmax(axis=1), names=data.taxonomy.names)
    of = {row.name: row for row in whole.classes}
    out = []
    for k, (name, texts) in enumerate(prompts.items()):
        vectors = tower.encode_text(texts)  # (P, D)
        for i, text in enumerate(texts if len(texts) > 1 else []):
            less = scores.copy()
            less[:, k] = embeddings @ _unit(np.delete(vectors, i, axis=0).mean(axis=0))
            found = compute_metrics(data.truth, less.argmax(axis=1), names=data.taxonomy.names)
            row = next((row for row in found.classes if row.name == name), None)
            recall = of[name].recall - row.recall if row is not None else float("nan")
            precision = of[name].precision - row.precision if row is not None else float("nan")
            gain = whole.balanced_accuracy - found.balanced_accuracy
            out.append(PromptEffect(name, text, gain, recall, precision))
    return sorted(out, key=lambda effect: -effect.balanced_accuracy)


def select_prompts(taxonomy: Taxonomy, tower: GroundTower, *, least: int = 2) -> dict[str, tuple[str, ...]]:
    """Keep prompts that are more similar to their own class than to any other class; uses neither labels nor pixels.

    A prompt is compared with the mean of the other prompts of its class and with the mean of each other class. The
    class's name is always kept, and so are at least `least` prompts.

    Args:
        taxonomy: K classes.
        tower: the tower of the checkpoint.
        least: prompts of a class that are kept in any case, those with the largest margin.

    Returns:
        Prompts by class.
    """
    prompts = {taxon.name: prompts_for(taxon, DEFAULT) for taxon in taxonomy.classes}
    vectors = {name: tower.encode_text(texts) for name, texts in prompts.items()}
    means = {name: _unit(rows.mean(axis=0)) for name, rows in vectors.items()}
    out: dict[str, tuple[str, ...]] = {}
    for name, texts in prompts.items():
        others = np.stack([mean for other, mean in means.items() if other != name] or [np.zeros(tower.dim, np.float32)])
        total = vectors[name].sum(axis=0)
        margin = np.full(len(texts), np.inf)  # the name itself is kept
        for i in range(1, len(texts)):
            own = float(vectors[name][i] @ _unit(total - vectors[name][i]))
            margin[i] = own - float((others @ vectors[name][i]).max())
        clear = np.argsort(-margin, kind="stable")
        kept = set(clear[:least]) | set(np.flatnonzero(margin > 0))
        out[name] = tuple(text for i, text in enumerate(texts) if i in kept)
    return out


def _weights(prompts: dict[str, tuple[str, ...]] | dict[str, list[str]], tower: GroundTower) -> NDArray[np.float32]:
    unique = list(dict.fromkeys(text for texts in prompts.values() for text in texts))
    row = {text: i for i, text in enumerate(unique)}
    vectors = tower.encode_text(unique)  # (P, D)
    return np.stack([_unit(vectors[[row[text] for text in texts]].mean(axis=0)) for texts in prompts.values()])


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise PromptError("The prompts of a class cancel out; describe one thing with them.")
    return np.asarray(vector / length, dtype=np.float32)
