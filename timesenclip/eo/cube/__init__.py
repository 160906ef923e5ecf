"""Cubes on disk: netCDF, Zarr and stacks of GeoTIFFs, opened and read window by window."""
