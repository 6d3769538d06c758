"""Apps: one deployable service each."""
