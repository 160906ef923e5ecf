"""What a map is written as: GeoTIFFs, picture, page, zones."""
