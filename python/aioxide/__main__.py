"""`python -m aioxide`: see `aioxide.command_line`, which reads the arguments, and `aioxide.program`, which runs."""

import sys

from aioxide.command_line import main

if __name__ == "__main__":
    main(sys.argv[1:])
