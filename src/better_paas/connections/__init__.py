"""The API's port: who may hold a connection to it, and for how long."""
