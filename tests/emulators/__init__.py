"""Real local HTTP servers that speak the vendors' wires, strictly. The product does not know that they exist."""
