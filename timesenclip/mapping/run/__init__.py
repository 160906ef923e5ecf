"""Blocks of an area: what is done with each, and how they are spread over threads or a cluster."""
