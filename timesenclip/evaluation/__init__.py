"""How good a checkpoint is: metrics, intervals, studies, and the suite that puts them on one page."""
