"""Agent tokens: credentials of machines, limited to scopes, resources and conditions."""
