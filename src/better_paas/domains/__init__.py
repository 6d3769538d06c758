"""Names under which apps are reached, and the ingress that serves them."""
