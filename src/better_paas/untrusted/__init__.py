"""What reads and packs the sources of strangers: a program of its own, with limits and without secrets."""
