"""Volumes: what apps keep."""
