"""Training: places and their notes, the loop, calibration and the model card."""
