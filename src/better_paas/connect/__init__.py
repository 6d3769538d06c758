"""How a machine gets a token without anybody copying one: browser, device code, or the identity of a CI job."""
