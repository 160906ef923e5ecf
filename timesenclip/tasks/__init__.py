"""Questions that vectors can answer: classify, retrieve, explain, adapt, evaluate, report."""
