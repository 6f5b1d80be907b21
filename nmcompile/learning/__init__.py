"""Learning rules: from files and from the literature, and what was learned."""
