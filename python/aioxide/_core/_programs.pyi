"""Starting programs: the step of `subprocess.Popen` that makes the process."""

from typing import Any

def start_program(*call: Any) -> tuple[int, int | None] | None: ...
