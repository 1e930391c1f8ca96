"""What happened to other tools, what stands against it here, and the test of each defence.

`python -m tests.defences` takes each defence out in turn and demands that its test fails.
"""
