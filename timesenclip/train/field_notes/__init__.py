"""Training on field notes, as the shipped checkpoint was: simulated and real places, their notes, the model card."""
