"""What was done, by whom, from where and with what result."""
