"""Every pixel of an area: run a question over it, and write maps that other programs read."""
