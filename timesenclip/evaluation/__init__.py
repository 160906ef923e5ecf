"""Evaluation of checkpoints: metrics, intervals, studies, and the suite that reports them on one page."""
