"""Planning: how far an engine is from its reference, and the cheapest that is near enough."""
