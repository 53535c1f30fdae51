"""The parts of asyncio that are native, in modules that are named as asyncio's."""
