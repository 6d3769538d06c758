"""What runs releases."""
