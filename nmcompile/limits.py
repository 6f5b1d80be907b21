"""Numbers that several rooms agree on."""

LARGEST_PAYLOAD = 255  # of a graded spike
