"""A placement becomes programs, tables and the image."""
