"""Adapter: S3 object storage."""
