"""Training: one trainer for photographs and for field notes, and sweeps that train."""
