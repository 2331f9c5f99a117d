"""Files → Study: the only room that opens data."""
