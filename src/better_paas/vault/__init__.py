"""The keys that seal secrets: where they come from, their change, and the proof that all can be opened."""
