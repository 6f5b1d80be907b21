"""Populations are cut into parts and parts placed on cores."""
