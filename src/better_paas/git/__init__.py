"""Adapter to git."""
