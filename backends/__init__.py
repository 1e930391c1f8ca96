"""Backends: the hands that plug I/O into croc_core."""
