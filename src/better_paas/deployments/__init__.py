"""Attempts to bring a version of an app live."""
