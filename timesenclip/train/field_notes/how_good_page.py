"""The page docs/how-good.md; every figure in it is measured when it is written."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Any

import numpy as np
import torch

from timesenclip._version import __version__
from timesenclip.model.checkpoint import Model
from timesenclip.train.field_notes.card import regions_seen
from timesenclip.train.field_notes.conditions import CLOUDY_SHARE
from timesenclip.train.field_notes.held_out_regions import FINER, LAND_COVER_TASK, Fold, HowGood
from timesenclip.train.field_notes.how_good_tables import (
    calibration_table,
    class_table,
    condition_tables,
    failures,
    patch_table,
    region_table,
    sets_table,
)
from timesenclip.train.field_notes.patch import PHRASES
from timesenclip.train.field_notes.questions import CLEAR, FEWEST

__all__ = ["how_good_page", "versions"]

_OWN = ("name", "world.leave_out", "world.real", "world.teacher")
"""Settings in which a fold always differs, or that name files of a machine."""


def how_good_page(found: HowGood, *, final: Model | None, today: datetime.date) -> str:
    """The page.

    Args:
        found: what was measured.
        final: the checkpoint that ships; None: there is none yet, and nothing is said of what it has seen.
        today: date that stands on the page.
    """
    page = resources.files(__package__).joinpath("how_good.md").read_text(encoding="utf-8")
    return Template(page).substitute(
        clear=f"{CLEAR:.0%}",
        fewest=FEWEST,
        folds="\n".join(_fold(fold, final) for fold in found.folds),
        failures=failures(found),
        cover=region_table(found, LAND_COVER_TASK),
        finer=region_table(found, FINER) if found.of(FINER) else "No region has two finer kinds with enough places.",
        cover_classes=_by_region(found, LAND_COVER_TASK),
        finer_classes=_by_region(found, FINER),
        patch=_patch(found),
        conditions=condition_tables(found),
        cloudy=f"{CLOUDY_SHARE:.0%}",
        calibration=calibration_table(found),
        temperature=f"{found.fitted.temperature:.3f}",
        sets=sets_table(found, () if final is None else regions_seen(final)),
        not_measured=", ".join(found.not_measured) or "none",
        date=today.isoformat(),
        versions=versions(),
    )


def versions() -> str:
    """Versions of what the figures depend on."""
    import sklearn

    return (
        f"timesenclip {__version__}, torch {torch.__version__}, numpy {np.__version__}, "
        f"scikit-learn {sklearn.__version__}, Python {platform.python_version()}"
    )


def _fold(fold: Fold, final: Model | None) -> str:
    """What a fold has not seen, and how its recipe differs from that of the checkpoint that ships."""
    text = f"- {fold.name} has not seen {', '.join(fold.leave_out)}."
    if final is None:
        return text
    theirs, ours = (_settings(model.config.training.get("recipe", {})) for model in (fold.model, final))
    changed = [
        f"{name} is {theirs.get(name)} instead of {ours.get(name)}"
        for name in sorted(theirs.keys() | ours.keys())
        if name not in _OWN and theirs.get(name) != ours.get(name)
    ]
    return f"{text} Its recipe differs from the shipped one: {', '.join(changed)}." if changed else text


def _settings(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings of a recipe by their dotted names."""
    out: dict[str, Any] = {}
    for name, value in recipe.items():
        out |= _settings(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return out


def _by_region(found: HowGood, task: str) -> str:
    parts = []
    for result in found.of(task):
        parts += [
            f"**{result.region}** ({result.title})",
            class_table(result),
            "\n".join(f"- {n}" for n in result.notes),
        ]
    return "\n\n".join(part for part in parts if part)


def _patch(found: HowGood) -> str:
    if found.patch is None:
        return "Not measured: the patch is not there, or no fold has left out Flanders."
    count = found.patch.answered.count
    asked = ", ".join(PHRASES)
    return f"{count:,} pixels of parcels; asked: {asked}.\n\n{patch_table(found.patch)}\n\n" + "\n".join(
        f"- {note}" for note in found.patch.notes
    )
