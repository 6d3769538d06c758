"""The client for people's machines, from their own server: a wheel, an installer, and a page for agents."""
