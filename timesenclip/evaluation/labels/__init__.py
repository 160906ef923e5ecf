"""Labelled places: tables, cubes and training stores as one kind of labelled set."""
