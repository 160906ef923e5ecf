"""`python -m timesenclip.train.field_notes how-good FOLD... --real FOLDER`: measure on regions that folds left out.

Each fold is a checkpoint that was trained on field notes without the regions in its `world.leave_out`.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import warnings
from pathlib import Path

from timesenclip.errors import InputError, TimeSenCLIPError, TimeSenCLIPWarning

_PHRASE_SEED = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m timesenclip.train.field_notes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    how_good = commands.add_parser("how-good", help="measure on regions that folds left out")
    how_good.add_argument("folds", nargs="+", type=Path, metavar="FOLD", help="checkpoint with regions left out")
    how_good.add_argument("--real", type=Path, required=True, metavar="FOLDER", help="folder of the real sets")
    how_good.add_argument("--final", metavar="CHECKPOINT", type=Path, help="gets the calibration and a new model card")
    how_good.add_argument("--doc", type=Path, metavar="FILE", help="page to write, such as docs/how-good.md")
    given = parser.parse_args(arguments)
    try:
        _how_good(given.folds, given.real, given.final, given.doc)
    except TimeSenCLIPError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _how_good(folders: list[Path], real: Path, final: Path | None, doc: Path | None) -> None:
    from timesenclip.files import write_text
    from timesenclip.model.checkpoint import Model, load, save
    from timesenclip.train.field_notes.card import measured_card
    from timesenclip.train.field_notes.held_out_regions import answers_of, load_folds, measure_regions
    from timesenclip.train.field_notes.how_good_page import how_good_page
    from timesenclip.train.field_notes.phrase_places import with_phrase_fit
    from timesenclip.train.field_notes.region_calibration import keeping_right_answers

    if final is None and doc is None:
        raise InputError("Nothing would be written; give --final CHECKPOINT, --doc FILE, or both.")
    folds = load_folds(folders)
    model = None if final is None else load(final)
    if model is not None and "world" not in model.config.training.get("recipe", {}):
        raise InputError(f"'{final}' was not trained on field notes; expected a recipe of the kind field-notes.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimeSenCLIPWarning)  # what a table lacks stands on the page
        found = measure_regions(folds, real, progress=lambda text: sys.stderr.write(f"{text}\n"))
    if doc is not None:
        write_text(doc, how_good_page(found, final=model, today=datetime.date.today()))
    if model is not None and final is not None:
        fitted = keeping_right_answers(found.fitted, answers_of(model, real))
        config = model.config.model_copy(update={"calibration": fitted})
        calibrated = with_phrase_fit(Model(model.encoder, config, digest=model.digest), seed=_PHRASE_SEED)
        save(calibrated, final, card=measured_card(calibrated, found))


if __name__ == "__main__":
    sys.exit(main())
