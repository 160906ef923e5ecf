"""The files of a map: GeoTIFFs, picture, page, zones, provenance."""
