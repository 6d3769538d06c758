"""Adapter to a Docker engine."""
