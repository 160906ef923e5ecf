"""All questions about one checkpoint and one labelled set, as one report."""
