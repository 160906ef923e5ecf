"""Maps: every pixel of an area is embedded and compared with words, and written in files that other programs read."""
