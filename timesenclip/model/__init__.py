"""The satellite stream: from a pixel series to a vector, and what it is trained with."""
