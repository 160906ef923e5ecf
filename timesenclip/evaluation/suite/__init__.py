"""The evaluation suite: all experiments with one checkpoint on one labelled set, and the report."""
