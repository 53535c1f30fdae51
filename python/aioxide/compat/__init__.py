"""Modules with the names of other packages for files, served by `aioxide.files`: a program changes an import, no more.

`aioxide.compat.aiofile` and `aioxide.compat.aiofiles` each have every public name of the package that they are named
after. In what they differ from it, their own documentation says.
"""
