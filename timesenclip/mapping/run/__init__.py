"""Blocks of an area: the work on each, and its execution in threads or on a cluster."""
