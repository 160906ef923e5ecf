"""CLIP-like ground towers: loading, image preprocessing, and conversion of other layouts."""

from __future__ import annotations

__all__ = ["CLIP_MEAN", "CLIP_STD"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Mean of red, green and blue in 0..1. Source: openai/CLIP, clip.py; open_clip, constants.py."""
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviation of red, green and blue in 0..1. Source: as `CLIP_MEAN`."""
