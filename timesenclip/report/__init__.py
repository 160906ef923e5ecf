"""Tables and figures for any report; knows nothing of what it shows."""
