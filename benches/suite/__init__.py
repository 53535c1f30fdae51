"""The benchmark suite: rows, the child processes they run in, and the tables they end in."""
