"""Tells people of what wants their eyes."""
