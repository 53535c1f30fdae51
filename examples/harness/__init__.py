"""What runs the examples and judges them; see `run_all.py` for the command."""
