"""Recipes for a small world of photographs, and the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from timesenclip.train.recipe import PhotoRecipe

COUNT, DIM = 60, 16


def recipe_of(world: Path, **changes: Any) -> PhotoRecipe:
    content: dict[str, Any] = {
        "recipe": "photos",
        "name": "tiny",
        "tower": "compact",
        "encoder": "tiny",
        "encoder_options": {"dim": 32, "heads": 2, "depth": 2, "ffn_dim": 32},
        "data": {"series": str(world / "series.zarr"), "ground": str(world / "ground.pt")},
        "split": {"block_deg": 2.0, "validation": 0.2, "test": 0.1},
        "augment": [{"name": "month-dropout"}],
        "objective": {"bank_size": 32, "in_batch": True, "symmetric": True, "ignore_same_place": True},
        "optimiser": {"learning_rate": 1e-3},
        "epochs": 3,
        "batch_size": 8,
        "precision": "32-true",
        "ema": 0.9,
    }
    return PhotoRecipe.model_validate(content | changes)


def write_recipe(path: Path, recipe: PhotoRecipe) -> Path:
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
    return path


def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "timesenclip", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, **options)
