"""Sweeps: the settings of a sweep file, the evaluation of every combination, and the figures."""
