"""Leased jobs with saved steps."""
