"""`python -m timesenclip.train RECIPE --real FOLDER --out FOLDER`: train, calibrate, measure, and write a
checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from timesenclip.errors import TimeSenCLIPError
from timesenclip.train.config import read_config

_LOG = logging.getLogger("timesenclip.train")


def main() -> int:
    """Run the recipe named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m timesenclip.train", description=__doc__)
    parser.add_argument("recipe", type=Path, help="YAML recipe, such as configs/default.yaml")
    parser.add_argument(
        "--real", type=Path, help="folder with the WorldCereal tables; without it, simulated places only"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument(
        "--measure-only", action="store_true", help="calibrate and measure the checkpoint in --out again"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        return _run(given.recipe, given.real, given.out, measure_only=given.measure_only)
    except TimeSenCLIPError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


def _run(recipe: Path, folder: Path | None, out: Path, *, measure_only: bool) -> int:
    from timesenclip.model.checkpoint import load, save
    from timesenclip.train.field_notes.calibrate import calibrate, measure, model_card
    from timesenclip.train.field_notes.places import Places
    from timesenclip.train.field_notes.source import fit
    from timesenclip.train.field_notes.worldcereal import read_real_points

    config = read_config(recipe)
    real = read_real_points(folder) if folder is not None else None
    if measure_only:
        model = load(out)
    else:
        places = None
        if real is not None:
            chosen = real.take(real.part == "train")
            places = Places.of(
                chosen.series,
                chosen.kind,
                [None] * len(chosen.kind),
                normalisation=config.normalisation,
                hemisphere_shift=config.hemisphere_shift,
            )
        model = fit(config, real=places, progress=_say)
        save(model, out)  # kept even if what follows fails
    model = calibrate(model, real, seed=config.seed + 1)
    figures = measure(model, real, seed=config.seed + 2)
    save(model, out, card=model_card(model, figures, recipe=recipe))
    _LOG.info("checkpoint: %s", out)
    return 0


def _say(step: int, steps: int, figures: dict[str, float]) -> None:
    if step % 100 == 0 or step == steps:
        rest = (steps - step) / max(step, 1)
        _LOG.info(
            "step %d/%d  %s",
            step,
            steps,
            "  ".join(f"{k} {v:.3f}" for k, v in figures.items()) + f"  ({rest:.1f}x to go)",
        )


if __name__ == "__main__":
    sys.exit(main())
