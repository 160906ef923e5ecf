"""One thing changed at a time: the grid of a sweep file, its runs and its figures."""
