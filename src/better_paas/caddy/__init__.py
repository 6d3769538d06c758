"""Adapter to a Caddy process."""
