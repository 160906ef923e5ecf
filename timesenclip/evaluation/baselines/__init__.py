"""Baselines to compare with: simple classifiers, CLIP on images, Presto."""
