"""Co-design studies: many compilations and runs, what they found, and their page."""
