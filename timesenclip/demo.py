"""The demonstration: a simulated landscape is mapped from words, offline, and compared with what was simulated."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PHRASES", "DemoResult", "run_demo"]

PHRASES: Mapping[str, tuple[str, ...]] = {
    "winter wheat": ("winter wheat",),
    "maize": ("maize",),
    "rapeseed": ("rapeseed",),
    "sugar beet": ("sugar beet",),
    "grassland": ("hay meadow", "grazed pasture"),
    "broadleaved forest": ("oak and beech forest",),
    "coniferous forest": ("spruce and fir forest",),
    "heathland": ("heathland",),
    "town and village": ("suburb and village", "dense city"),
    "marsh": ("reed bed and marsh",),
    "bare ground": ("quarry and bare earth",),
    "water": ("clear lake and sea", "turbid river"),
}
"""What is asked, and the simulated covers that each phrase is right for."""

_SEED = 7
_YEAR = 2023
