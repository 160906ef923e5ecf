"""What a recipe's kind decides, and what it spares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.train.photo_world import recipe_of
from timesenclip.train.photos import PhotoSource
from timesenclip.train.source import open_source


def test_photographs_have_held_out_places_and_draw_by_step(world: Path) -> None:
    source = open_source(recipe_of(world))
    assert isinstance(source, PhotoSource)
    assert source.validation is not None
    assert len(source.validation.batches.places) == source.parts["validation"]
    assert source.steps == 3 * source.epoch_batches
    assert source.state() == {}
    assert source.sample(5).x.shape == (5, 12, 10)


def test_who_trains_on_photographs_does_not_load_the_field_notes() -> None:
    code = "import sys, timesenclip.train.trainer; print([m for m in sys.modules if 'field_notes' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
