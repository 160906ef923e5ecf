"""The results of the evaluation suite, and their conversion to plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.evaluate import Comparison
from timesenclip.evaluation.few_shot import FewShotPoint
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import Metrics
from timesenclip.evaluation.prompts import PromptEffect, PromptSet
from timesenclip.evaluation.retrieval import Retrieval
from timesenclip.evaluation.temporal import RobustnessPoint

__all__ = ["Findings", "findings_report"]


@dataclass(frozen=True, slots=True)
class Findings:
    """All results of a suite."""

    title: str
    """Heading of the report."""
    data: LabelledSet
    """The labelled samples."""
    embeddings: NDArray[np.float32]
    """(N, D) unit rows."""
    weights: NDArray[np.float32]
    """(K, D) class vectors."""
    comparison: Comparison
    """Predictions and metrics of the zero-shot method and of the baselines."""
    prompts: list[PromptSet]
    """Metrics of every template set."""
    effects: list[PromptEffect]
    """Effect of every prompt, most helpful first."""
    retrieval: list[Retrieval]
    """Retrieval in every direction."""
    shots: list[FewShotPoint]
    """The few-label curve; empty where labels do not allow one."""
    kept: list[RobustnessPoint]
    """The robustness curve."""
    lengths: dict[str, Metrics]
    """Metrics of monthly, quarterly and annual composites."""
    months: NDArray[np.float64]
    """(K, 12) contribution of each month to the margin."""
    neighbours: list[tuple[int, list[int]]]
    """A sample of each frequent class and its nearest neighbours in other blocks of land."""
    about: dict[str, Any]
    """Versions, checkpoint, seeds, prompts."""


def findings_report(findings: Findings) -> dict[str, Any]:
    """Convert the results to plain values for report.json."""
    data = findings.data
    count = np.bincount(data.truth, minlength=len(data.taxonomy))
    return {
        "title": findings.title,
        "about": findings.about,
        "data": {
            "title": data.title,
            "count": len(data),
            "classes": {name: int(n) for name, n in zip(data.taxonomy.names, count, strict=True)},
            "skipped": data.skipped,
            "notes": list(findings.comparison.notes),
        },
        "methods": {name: found.to_dict() for name, found in findings.comparison.methods.items()},
        "prompts": [
            {"name": one.name, "figures": one.metrics.to_dict(), "prompts": one.prompts} for one in findings.prompts
        ],
        "prompt_effects": [asdict(one) for one in findings.effects],
        "retrieval": [one.to_dict() for one in findings.retrieval],
        "few_labels": [asdict(one) for one in findings.shots],
        "robustness": [asdict(one) for one in findings.kept],
        "composites": {name: found.to_dict() for name, found in findings.lengths.items()},
        "months": {name: row.tolist() for name, row in zip(data.taxonomy.names, findings.months, strict=True)},
    }
