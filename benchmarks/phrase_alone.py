"""What one phrase alone takes of a real area, for any checkpoint: absent things and present ones.

    python benchmarks/phrase_alone.py CUBE --year 2018 [--checkpoint NAME] [-p PHRASE ...]
    python benchmarks/phrase_alone.py simulated [--checkpoint NAME] [-p PHRASE ...]     # three landscapes of Europe

Absent phrases should take less than 3 % of the pixels. Present ones should keep what they get among competitors: the
last column is the number of pixels that a phrase alone takes, by the number that it gets beside the other present ones.
`--fit` fits the two numbers of `timesenclip.tasks.phrase_fit` to simulated places first, and prints them; `--write`
also puts them into the config.json of the checkpoint, which must be a folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from timesenclip import open_cube
from timesenclip.demo import PHRASES
from timesenclip.eo.area import block_windows
from timesenclip.eo.period import as_period
from timesenclip.mapping.observations import read_composites
from timesenclip.mapping.query import make_query
from timesenclip.model.checkpoint import Model, load
from timesenclip.model.embed import embed_cube
from timesenclip.simulate.scene import simulate_scene

ABSENT = (
    "a vineyard|banana plantation|olive grove|solar farm|airport runway|rice paddy|mangrove|glacier|coffee plantation"
)
ABSENT += (
    "|cotton|sugar cane|oil palm plantation|sand dunes|salt flat|sea|tundra|heath|tropical rainforest|savanna|desert"
)
ABSENT += "|eucalyptus forest|maquis|lavender field|tobacco field|orange trees|larch forest|vines|rice field|peat bog"
SIMULATED = "heath|sea|peat bog"
"""Phrases that are true, or nearly, in the simulated landscapes."""
PRESENT = "maize|grassland|forest|houses and roads"


def main() -> None:
    """Print a row for each phrase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cube", type=Path)
    parser.add_argument("--year", type=int, default=2018)
    parser.add_argument("--checkpoint", default="default")
    parser.add_argument("-p", "--absent", action="append", help="a phrase for something that is not there")
    parser.add_argument("--present", action="append", help="phrases that are there, asked together and alone")
    parser.add_argument("--fit", action="store_true", help="fit to simulated places first")
    parser.add_argument("--false-share", type=float, default=0.03, help="as fit_phrase, for --fit")
    parser.add_argument("--write", action="store_true", help="keep what --fit found in the checkpoint")
    given = parser.parse_args()
    model = load(given.checkpoint)
    if given.fit:
        from timesenclip.train.field_notes.phrase_places import with_phrase_fit

        model = with_phrase_fit(model, seed=5, false_share=given.false_share)
        if given.write:
            (Path(given.checkpoint) / "config.json").write_text(model.config.model_dump_json(indent=2) + "\n")
    calibration = model.config.calibration
    print(f"phrase_margin {calibration.phrase_margin}, phrase_scale {calibration.phrase_scale}")
    simulated = str(given.cube) == "simulated"
    pixels = landscapes(model) if simulated else embedded(model, given.cube, given.year)
    present = given.present or (list(PHRASES) if simulated else PRESENT.split("|"))
    there = SIMULATED if simulated else ""
    for phrase in given.absent or [phrase for phrase in ABSENT.split("|") if phrase not in there.split("|")]:
        print(f"absent   {phrase:22s} {taken(model, pixels, phrase).mean():6.1%}")
    together = make_query(model, present)
    best = together.classify(together.scores(pixels)).label_index
    for k, phrase in enumerate(present):
        alone, beside = taken(model, pixels, phrase), best == k
        both = (alone & beside).sum() / max(beside.sum(), 1)
        row = f"{alone.mean():6.1%} alone, {beside.mean():6.1%} beside the others, of these {both:.0%} alone, too"
        print(f"present  {phrase:22s} {row}; {alone.sum() / max(beside.sum(), 1):.0%} in number")


def embedded(model: Model, cube: Path, year: int) -> np.ndarray:
    """(N, D) of all pixels that were seen."""
    source, parts = open_cube(cube), []
    for window in block_windows(source.shape, 128):
        composites = read_composites(source, window, as_period(year), "month")
        if composites is not None:
            parts.append(embed_cube(composites, model=model))
    vectors = np.concatenate(parts)
    return vectors[np.isfinite(vectors).all(axis=1)]


def landscapes(model: Model) -> np.ndarray:
    """(N, D) of the pixels of three simulated landscapes of temperate Europe."""
    scenes = [simulate_scene(rng=np.random.default_rng(60 + lat), size=128, lat_deg=lat) for lat in (45, 50, 55)]
    vectors = np.concatenate([embed_cube(scene.cube, model=model) for scene in scenes])
    return vectors[np.isfinite(vectors).all(axis=1)]


def taken(model: Model, pixels: np.ndarray, phrase: str) -> np.ndarray:
    """(N,) where a phrase alone fits."""
    query = make_query(model, [phrase])
    return query.classify(query.scores(pixels)).label_index == 0


if __name__ == "__main__":
    main()
