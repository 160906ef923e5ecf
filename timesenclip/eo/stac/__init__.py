"""Scenes found by a STAC search, in a static catalogue, or in a folder, read as one area."""
