"""What the evaluation suite finds, and the same as plain values."""

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
    """Everything that was found, before it is written."""

    title: str
    """Heading of the report."""
    data: LabelledSet
    """What was asked about."""
    embeddings: NDArray[np.float32]
    """(N, D) unit rows."""
    weights: NDArray[np.float32]
    """(K, D) class vectors."""
    comparison: Comparison
    """Zero-shot beside what it must be compared with."""
    prompts: list[PromptSet]
    """Every template set."""
    effects: list[PromptEffect]
    """Every prompt, most helpful first."""
    retrieval: list[Retrieval]
    """Every direction."""
    shots: list[FewShotPoint]
    """The few-label curve; empty where labels do not allow one."""
    kept: list[RobustnessPoint]
    """The robustness curve."""
    lengths: dict[str, Metrics]
    """Metrics of monthly, quarterly and annual composites."""
    months: NDArray[np.float64]
    """(K, 12) what each month adds."""
    neighbours: list[tuple[int, list[int]]]
    """A sample of each frequent class and its nearest neighbours in other blocks of land."""
    about: dict[str, Any]
    """Versions, checkpoint, seeds, prompts."""


def findings_report(findings: Findings) -> dict[str, Any]:
    """Everything that was found, as plain values for report.json."""
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
