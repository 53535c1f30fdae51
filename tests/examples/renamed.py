"""Runs a program as though it said `import aioxide as asyncio`, and nothing else about asyncio.

python renamed.py program.py [argument ...]
"""

import re
import sys
from pathlib import Path

program = sys.argv[1]
source = Path(program).read_text()
renamed = re.sub(r"^import asyncio$", "import aioxide as asyncio", source, flags=re.MULTILINE)
renamed = re.sub(r"^from asyncio\b", "from aioxide", renamed, flags=re.MULTILINE)
del sys.argv[0]
sys.path[0] = str(Path(program).parent)
__file__ = program
exec(compile(renamed, program, "exec"))
