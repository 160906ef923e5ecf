"""The page docs/how-good.md; every figure in it is measured when it is written."""

from __future__ import annotations

import datetime
import platform
from importlib import resources
from string import Template

import numpy as np
import torch

from timesenclip._version import __version__
from timesenclip.train.field_notes.conditions import CLOUDY_SHARE
from timesenclip.train.field_notes.held_out_regions import FINER, LAND_COVER_TASK, HowGood
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


def how_good_page(found: HowGood, *, seen: tuple[str, ...], today: datetime.date) -> str:
    """The page.

    Args:
        found: what was measured.
        seen: regions that the final checkpoint was trained with.
        today: date that stands on the page.
    """
    page = resources.files(__package__).joinpath("how_good.md").read_text(encoding="utf-8")
    return Template(page).substitute(
        clear=f"{CLEAR:.0%}",
        fewest=FEWEST,
        folds="\n".join(f"- {fold.name} has not seen {', '.join(fold.leave_out)}." for fold in found.folds),
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
        sets=sets_table(found, seen),
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
