"""Makes the harness of the examples importable: the tests judge the programs as `make run` does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
