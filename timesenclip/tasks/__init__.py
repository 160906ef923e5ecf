"""Questions that vectors can answer: classify, explain, evaluate."""
