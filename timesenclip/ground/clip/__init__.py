"""CLIP-like ground towers: loading, image preprocessing, and conversion of other layouts."""
