"""Projects group apps."""
