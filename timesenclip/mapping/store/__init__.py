"""The embedding store: what it records, its arrays, quantisation, overviews and scoring."""
