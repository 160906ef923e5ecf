"""Training: one trainer for recipes of photographs and of field notes, and sweeps that train checkpoints."""
