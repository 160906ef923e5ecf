"""From scenes and tables to clean series: radiometry, masking, composites, and readers of cubes, tables, searches."""
