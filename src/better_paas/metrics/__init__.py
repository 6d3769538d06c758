"""Figures for a monitoring system, and what the server finds wrong with itself."""
