"""Tables of points: Parquet, GeoParquet and CSV, one row a point or one row a date."""
