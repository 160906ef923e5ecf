"""Findings of a suite whose figures are known: no model runs for them."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.evaluation.evaluate import EMBEDDED_PROBE, PRIOR_CORRECTED, ZERO_SHOT, Comparison
from timesenclip.evaluation.few_shot import FewShotPoint
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import Metrics, compute_metrics
from timesenclip.evaluation.prompts import PromptEffect, PromptSet
from timesenclip.evaluation.retrieval import retrieve
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.temporal import RobustnessPoint
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.tasks.classify import classify_embeddings
from timesenclip.testing import random_series

NAMES = ("maize <field>", "lake", "moor", "glacier")
TRUTH = np.repeat([0, 1, 2], [12, 10, 2])
SAID = np.where(np.arange(24) < 3, 1, np.where(TRUTH == 2, 0, TRUTH))
"""Nine of twelve maize fields and all ten lakes are right, and no moor; no sample is a glacier."""


def _embeddings() -> np.ndarray:
    x = np.eye(4)[SAID] + np.random.default_rng(0).normal(scale=0.02, size=(24, 4))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def _metrics(data: LabelledSet, said: np.ndarray, **more: np.ndarray) -> Metrics:
    return compute_metrics(data.truth, said, names=NAMES, block=data.block, draws=40, **more)


@pytest.fixture(scope="session")
def findings() -> Findings:
    """24 samples of three classes in eight blocks of land, as the suite would find them."""
    names = taxonomy_from_phrases(NAMES)
    block = np.arange(24) % 8
    data = LabelledSet("points.csv", random_series(24), TRUTH, names, block, block % 4, "blocks", {"rock": 2})
    x, weights = _embeddings(), np.eye(4, dtype=np.float32)
    raw = classify_embeddings(x, weights, temperature=0.5)
    corrected = classify_embeddings(x, weights, temperature=0.5, prior_correction=True)
    methods = {
        ZERO_SHOT: _metrics(data, raw.label_index, confidence=raw.confidence),
        PRIOR_CORRECTED: _metrics(data, corrected.label_index, confidence=corrected.confidence),
        EMBEDDED_PROBE: _metrics(data, TRUTH),
    }
    predicted = {ZERO_SHOT: raw.label_index, PRIOR_CORRECTED: corrected.label_index, EMBEDDED_PROBE: TRUTH}
    comparison = Comparison(methods, raw, corrected, predicted, ("Split into blocks.",))
    texts = {name: (name, f"a photo of {name}") for name in NAMES}
    retrieval = retrieve(
        weights, x, direction="text -> satellite", query_class=np.arange(4), candidate_class=TRUTH, names=NAMES
    )
    points = [("anchored", 1, 0.4), ("anchored", 10, 0.8), ("probe", 1, 0.2)]
    months = np.full((4, 12), np.nan)
    months[:3] = np.linspace(-0.1, 0.1, 36).reshape(3, 12)
    return Findings(
        title="Maize & others",
        data=data,
        embeddings=x,
        weights=weights,
        comparison=comparison,
        prompts=[PromptSet("default", texts, methods[ZERO_SHOT]), PromptSet("name", texts, methods[EMBEDDED_PROBE])],
        effects=[
            PromptEffect("lake", "a photo of lake", 0.2, 0.3, 0.1),
            PromptEffect("maize <field>", "a photo of maize <field>", -0.1, 0.0, float("nan")),
        ],
        retrieval=[retrieval],
        shots=[FewShotPoint(m, k, 3.0 * k, v, v, (v - 0.1, v + 0.1), (v - 0.1, v + 0.1)) for m, k, v in points],  # type: ignore[arg-type]
        kept=[RobustnessPoint(k, v, v, (v, v), (v, v), float(k)) for k, v in ((12, 0.6), (1, 0.3))],
        lengths={"month": methods[ZERO_SHOT], "year": methods[EMBEDDED_PROBE]},
        months=months,
        neighbours=[(3, [4, 12]), (13, [14])],
        about={
            "blocks": 8,
            "checkpoint": {"name": "tiny", "digest": "0123", "tower": "words"},
            "notes": ["Trained elsewhere."],
            "prompts": texts,
            "seed": 7,
        },
    )
