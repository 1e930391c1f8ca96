"""Whole transfers by real processes while something goes wrong; see docs/reliability.md.

`python -m tests.faults --runs N --seed S`: a seed draws the same plans again.
"""
