"""The text of a report, from the results of a suite."""

from __future__ import annotations

import numpy as np

from timesenclip.evaluation.evaluate import ZERO_SHOT
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.suite.report_figures import spread
from timesenclip.messages import list_some

_FEW_BLOCKS = 20


def lead(found: Findings) -> str:
    """Data, classes, checkpoint and tower."""
    about = found.about
    return (
        f"{found.data.title}: {len(found.data):,} labelled samples in {about['blocks']:,} blocks of land, "
        f"{len(found.data.present)} of {len(found.data.taxonomy)} classes. Checkpoint {about['checkpoint']['name']} "
        f"({about['checkpoint']['digest']}), words through {about['checkpoint']['tower']}."
    )


def notes(found: Findings) -> list[str]:
    """Limits of the data and of the intervals."""
    first = found.comparison.methods[ZERO_SHOT]
    out = [*found.about["notes"], *found.comparison.notes]
    if first.absent:
        out.append(f"Without a single sample, and counted nowhere: {', '.join(first.absent)}.")
    if found.data.skipped:
        listed = list_some([f"{label} ({count})" for label, count in found.data.skipped.items()], 12, separator=", ")
        total = sum(found.data.skipped.values())
        out.append(f"{total:,} samples have a label that is no class: {listed}.")
    rare = [f"{row.name} ({row.support})" for row in first.classes if row.support < 10]
    if rare:
        listed = ", ".join(rare)
        out.append(
            f"Fewer than ten samples: {listed}. Averages over classes swing with them, and the intervals are too high, "
            "since a draw without such a class leaves it out."
        )
    if found.about["blocks"] < 2:
        out.append("All samples lie in one block of land, so there are no intervals.")
    elif found.about["blocks"] < _FEW_BLOCKS:
        out.append(f"Only {found.about['blocks']} blocks of land: the intervals are rough, and rather too narrow.")
    out.append("Where the checkpoint was trained figures are too good; its model card says on which places it was.")
    return out


def accuracy_lead(found: Findings) -> str:
    """Accuracy of the zero-shot predictions."""
    first = found.comparison.methods[ZERO_SHOT]
    value, low, high = spread(first, "balanced_accuracy")
    sure = f" (95 % interval {low:.2f} to {high:.2f})" if np.isfinite(low) else ""
    return (
        f"With words alone {first.accuracy:.0%} of the samples are answered rightly, and {value:.0%} of an average "
        f"class{sure}. Methods named “with labels” or “on embeddings” learned from labels of other places. The prior "
        "correction looks at all samples at once (transductive), so its figures stand beside the raw ones and do not "
        "replace them."
    )


def class_lead(found: Findings) -> str:
    """Classes with the highest and the lowest F1."""
    rows = [row for row in found.comparison.methods[ZERO_SHOT].classes if row.support >= 10]
    if not rows:
        return "Every class has fewer than ten samples."
    best, worst = max(rows, key=lambda row: row.f1), min(rows, key=lambda row: row.f1)
    return (
        f"Of the classes with ten samples or more, {best.name} is answered best (F1 {best.f1:.2f}) and {worst.name} "
        f"worst (F1 {worst.f1:.2f}). A row of the matrix adds up to 100 %."
    )


def sure_lead(found: Findings) -> str:
    """How to read the reliability diagram."""
    error = found.comparison.methods[ZERO_SHOT].calibration_error
    last = "Every answer is unknown and states no confidence." if error is None else None
    return (
        "On the dashed line an answer given with 70 % confidence is right seven times in ten; above it the model is "
        f"too modest, below it too sure. {last or f'Expected calibration error {error:.3f} (15 bins).'}"
    )


def months_lead(found: Findings) -> str:
    """Accuracy with all months and with the fewest."""
    first, last = found.kept[0], found.kept[-1]
    return (
        f"With {first.kept} months {first.balanced_accuracy:.0%} of an average class is found, with {last.kept} chosen "
        f"at random {last.balanced_accuracy:.0%}. In the second figure orange speaks for the true class and purple "
        "against it. Bands cannot be taken away in this way: the encoder reads all ten at once and would have to be "
        "trained anew."
    )


WORDS = (
    "The same classes in other words. The selection keeps prompts that lie nearer to their own class than to any "
    "other, and uses no labels. The effect of a single prompt does use them: it explains these figures, and choosing "
    "by it would flatter the next ones."
)
FINDING = (
    "Among the first K answers, is one of the same class, and (strict) is one the very place? Ties count against the "
    "answer. mAP is over the whole ranking."
)
SHOTS = (
    "What a user does next: label a few places. Examples are drawn from three quarters of the blocks of land and "
    "tested on the fourth, in turn; the band is the spread over draws. The command timesenclip adapt makes such a head."
)
WHERE = "Blocks of land are what intervals and splits are made of. Similar colours on the second map are similar years."
NEAR = (
    "A typical place of each frequent class (thick) and the nearest places in other blocks of land: NDVI over "
    "the year; solid blue is the same class, dashed orange another."
)
