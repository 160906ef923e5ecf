"""The model card of a checkpoint trained on field notes: the template card.md with what is known of the checkpoint."""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import Any

from timesenclip.model.checkpoint import Model
from timesenclip.train.field_notes.held_out_regions import FINER, LAND_COVER_TASK, HowGood
from timesenclip.train.field_notes.how_good_tables import (
    calibration_table,
    condition_tables,
    failures,
    patch_table,
    region_table,
    sets_table,
)
from timesenclip.train.field_notes.real_sets import REGIONS

__all__ = ["card_text", "measured_card", "regions_seen"]

_REAL = "Real pixel years of small public sets, all MIT (sources: `timesenclip/train/field_notes/real_sets.py`)."
_NO_TEACHER = "None."
_TEACHER = """\
Presto (nasaharvest/presto, MIT; arXiv 2304.14065), its published weights. While training, and only then, it was asked
about each place as if it lay at several places of the temperate zone, never at the true one. It taught two things: how
likely each of the nine Dynamic World classes is there, which chose the notes where no label says what a place is and
stood beside the label elsewhere; and its features, which the embedding had to predict. Nothing of its weights is in
this checkpoint."""


def card_text(model: Model, *, measured: str, calibrated: str, real: str | None = None) -> str:
    """The text of README.md in a checkpoint folder.

    Args:
        model: the checkpoint.
        measured: what was measured, in Markdown.
        calibrated: on what its calibration was fitted, in words.
        real: the real series, in Markdown; default: the regions that its recipe names.
    """
    config = model.config
    world = _world(model)
    count = sum(parameter.numel() for parameter in model.encoder.parameters())
    card = resources.files(__package__).joinpath("card.md").read_text(encoding="utf-8")
    threshold = config.calibration.unknown_score
    return Template(card).substitute(
        name=config.name,
        parameters=f"{count:,}",
        preset=config.training["recipe"]["encoder"],
        tower=config.tower.name,
        real=_regions(model) if real is None else real,
        teacher=_TEACHER if world.get("teacher") else _NO_TEACHER,
        measured=measured,
        temperature=f"{config.calibration.temperature:.3f}",
        unknown="never" if threshold is None else f"below a cosine of {threshold:.3f}",
        calibrated=calibrated,
    )


def measured_card(model: Model, found: HowGood) -> str:
    """The card of a checkpoint whose recipe was measured by folds on left-out regions."""
    parts = [
        "This checkpoint has seen every region below that is marked as trained with. The figures are those of "
        f"{len(found.folds)} checkpoints of the same recipe that have not seen the region. All classes, and how it was "
        "measured: docs/how-good.md of the project.",
        "### Land cover, eight plain words",
        region_table(found, LAND_COVER_TASK),
    ]
    if found.of(FINER):
        parts += ["### Crops and finer kinds", region_table(found, FINER)]
    if found.patch is not None:
        parts += ["### Maize and grassland parcels of a patch in Flanders", patch_table(found.patch)]
    parts += ["### Fewer bands, and cloudy months", condition_tables(found)]
    parts += ["### Confidence and unknown by left-out region", calibration_table(found)]
    parts += ["### Where it fails", failures(found)]
    return card_text(
        model,
        measured="\n\n".join(parts),
        calibrated="fitted on the left-out regions",
        real=f"{_REAL if regions_seen(model) else 'No real series.'}\n\n{sets_table(found, regions_seen(model))}",
    )


def regions_seen(model: Model) -> tuple[str, ...]:
    """Regions whose real series a checkpoint may have been trained with, by its recipe."""
    world = _world(model)
    if world.get("real") is None:
        return ()
    return tuple(name for name in REGIONS if name not in world.get("leave_out", ()))


def _world(model: Model) -> dict[str, Any]:
    world: dict[str, Any] = model.config.training.get("recipe", {}).get("world", {})
    return world


def _regions(model: Model) -> str:
    seen = regions_seen(model)
    return f"{_REAL} Regions: {', '.join(seen)}, as far as they were there." if seen else "No real series."
