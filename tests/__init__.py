"""Tests of croc-core."""
