"""Random programs of asyncio's primitives, run with the standard library's and with ours, step by step the same."""
