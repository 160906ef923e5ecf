"""Tables and figures for reports, independent of their contents."""
