"""The state: read and write units of work over one database."""
