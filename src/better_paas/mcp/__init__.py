"""The MCP server at /mcp: tools, resources and prompts over the HTTP API, with the caller's own token."""
