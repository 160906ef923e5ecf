"""Training data: Sen4Map, LUCAS, and users' photographs and points, in one store and paired by place."""
