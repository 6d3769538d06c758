"""Adapter to the machine's packet filter."""
