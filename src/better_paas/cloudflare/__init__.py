"""Adapter to Cloudflare's DNS."""
