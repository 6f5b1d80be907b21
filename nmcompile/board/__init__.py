"""Everything between an image and a board: the protocol, the driver, loading and running, the simulated board."""
