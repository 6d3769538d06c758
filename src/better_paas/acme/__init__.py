"""Adapter to certificate authorities, for what the ingress can't fetch by itself: wildcards."""
