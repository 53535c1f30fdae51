"""Rows about files: the same work by the built-in `open`, by every library that offers files to asyncio, and by ours.

Each library has a module here with the functions that `programs.py` names, written as its documentation would have it.
"""
