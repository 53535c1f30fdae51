"""Other people's libraries on both loops: what they reach into, and what they build on top."""
