"""What the checkpoint is compared with: simple classifiers, CLIP on images, Presto."""
