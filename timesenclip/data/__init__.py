"""Training data: Sen4Map and LUCAS, anybody's photographs and points, read into one store and paired by place."""
