"""The asyncio backend: one event loop, and threads for the parties' data path."""
