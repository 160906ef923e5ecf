"""Tasks on embeddings: classify by phrases, explain a label, fit heads to examples, score by a weighted sum."""
