"""Readers of a finished Result: they write files and compute nothing."""
