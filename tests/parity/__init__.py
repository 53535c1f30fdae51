"""Parity tests: one promise of asyncio each, kept by the stdlib's loop and by aioxide's alike."""
