"""From scenes and tables to clean series: radiometry, masking, compositing, readers, simulation."""
