"""Unit tests: what aioxide itself promises, beside asyncio's promises."""
