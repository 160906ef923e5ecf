"""The model card of a checkpoint trained on photographs: data, method, held-out retrieval and limits."""

from __future__ import annotations

from timesenclip.model.checkpoint import Model
from timesenclip.train.data import TrainingData
from timesenclip.train.recipe import PhotoRecipe
from timesenclip.train.validation import HeldOut

__all__ = ["photo_card"]


def photo_card(model: Model, recipe: PhotoRecipe, data: TrainingData, held: HeldOut | None, *, step: int) -> str:
    """The text of README.md in a checkpoint folder; its figures are those of this run."""
    count = sum(parameter.numel() for parameter in model.encoder.parameters())
    objective = recipe.objective
    negatives = [f"a bank of {objective.bank_size} keys"] if objective.bank_size else []
    negatives += ["the rest of the batch"] if objective.in_batch else []
    parts = "\n".join(f"| {name} | {number:,} |" for name, number in data.parts.items() if number)
    apart = f"{data.nearest_m:,.0f} m" if data.nearest_m < float("inf") else "unknown"
    seen = "pixel" if model.encoder.config.patch_size == 1 else "patch"
    bands = ", ".join(model.config.band_names or ("all ten",))
    return f"""---
library_name: timesenclip
tags: [sentinel-2, time-series, clip, remote-sensing]
---
# {recipe.name}

A TimeSenCLIP encoder: a year of one Sentinel-2 {seen} in (bands: {bands}), a vector in the space of
`{data.tower}` out. {count:,} parameters (preset `{recipe.encoder}`), trained for {step:,} steps.

```python
import timesenclip as ts

series = ts.read_points("points.parquet")
answers = ts.classify(series, ["a vineyard", "a wheat field"], model="PATH/TO/THIS/FOLDER")
```

## Trained on
| | places |
|---|---|
{parts}

Series: {data.store.attributes.get("source")}, compositing `{data.store.attributes.get("compositing")}`.
Ground views: vectors of `{data.tower}`. The nearest held-out place is {apart} from a training place.
No caption and no label was used, neither to train nor to choose this checkpoint.

## Method
InfoNCE against {" and ".join(negatives)}, {"both directions" if objective.symmetric else "satellite to ground"};
pooling `{objective.pooling}`; augmentation {", ".join(part.name for part in recipe.augment) or "none"}; batch
{recipe.batch_size} x {recipe.accumulate}; seed {recipe.seed}. The whole recipe is in config.json (`training.recipe`).
Source: Jain et al., TimeSenCLIP, arXiv 2508.11919.

## Measured
{_figures(held)}

## Limits
- Probabilities are not calibrated: the temperature is the one learned in training (`calibration.fitted` is false).
- It knows the regions, seasons and sensors it was trained on; elsewhere, measure before you trust it.
- Words are understood as well as `{data.tower}` understands them.

## Licence
Set by whoever publishes these weights, within the terms of the data and of the tower.
"""


def _figures(held: HeldOut | None) -> str:
    if held is None:
        return "Weights of the last step; see the card in `best/` and `metrics.csv`."
    cuts = sorted(held.satellite_to_ground)
    head = "| | " + " | ".join(f"Recall@{k}" for k in cuts) + " |"
    rows = [
        f"| {name} | " + " | ".join(f"{figures[k]:.3f}" for k in cuts) + " |"
        for name, figures in (
            ("satellite to ground", held.satellite_to_ground),
            ("ground to satellite", held.ground_to_satellite),
            ("chance", {k: min(1.0, k / held.places) for k in cuts}),
        )
    ]
    note = f"Instance retrieval among {held.places:,} held-out places (the very place, not one of its class):"
    return "\n".join([note, "", head, "|---" * (len(cuts) + 1) + "|", *rows])
