"""`python -m timesenclip.train.field_notes CHECKPOINT [--real FOLDER]`: calibrate and measure a checkpoint again.

The checkpoint was trained on field notes by `timesenclip train`; its card is rewritten.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from timesenclip.errors import InputError, TimeSenCLIPError


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m timesenclip.train.field_notes", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="folder of the checkpoint, such as OUT/last")
    parser.add_argument(
        "--real", type=Path, help="folder with the WorldCereal tables; without it, simulated places only"
    )
    given = parser.parse_args()
    try:
        _measure_again(given.checkpoint, given.real)
    except TimeSenCLIPError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _measure_again(checkpoint: Path, folder: Path | None) -> None:
    from timesenclip.model.checkpoint import load
    from timesenclip.train.field_notes.calibrate import calibrate_and_measure
    from timesenclip.train.field_notes.worldcereal import read_real_points

    model = load(checkpoint)
    recipe = model.config.training.get("recipe", {})
    # The shipped checkpoint was trained before recipes had the key `recipe`.
    if recipe.get("recipe", "field-notes") != "field-notes" or "world" not in recipe:
        raise InputError(
            f"'{checkpoint}' was not trained on field notes; expected one of a recipe of the kind field-notes."
        )
    real = read_real_points(folder) if folder is not None else None
    calibrate_and_measure(model, real, checkpoint, seed=int(recipe["seed"]))


if __name__ == "__main__":
    sys.exit(main())
