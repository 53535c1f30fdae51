"""What is in the file that a path leads to."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from aioxide.files.hops import hop
from aioxide.files.opening import open_binary
from aioxide.files.paths.lexical import Lexical

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Contents(Lexical):
    """What reads and writes a file."""

    __slots__ = ()

    async def read_bytes(self) -> bytes:
        """Return all that is in the file.

        Raises:
            OSError: there is no such file, or it cannot be read.

        """
        path = str(self._path)
        if "\0" in path:
            # Refused at once.
            return self._path.read_bytes()
        async with await open_binary(path, os.O_RDONLY, "rb", 0) as file:
            return await file.readall()

    if sys.version_info >= (3, 13):

        async def read_text(
            self,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
        ) -> str:
            r"""Return all that is in the file, as text.

            Args:
                encoding: the text's encoding; None for that of the locale.
                errors: what becomes of bytes that are no text, as in `open`; None to raise.
                newline: what ends a line, as in `open`; None for each of the three ways, which all become `\n`.

            Raises:
                OSError: there is no such file, or it cannot be read.
                UnicodeDecodeError: it is no text in this encoding.

            """
            return _text(await self.read_bytes(), io.text_encoding(encoding), errors, newline)

    else:

        async def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
            """Return all that is in the file, as text.

            Args:
                encoding: the text's encoding; None for that of the locale.
                errors: what becomes of bytes that are no text, as in `open`; None to raise.

            Raises:
                OSError: there is no such file, or it cannot be read.
                UnicodeDecodeError: it is no text in this encoding.

            """
            return _text(await self.read_bytes(), io.text_encoding(encoding), errors, None)

    async def write_bytes(self, data: ReadableBuffer) -> int:
        """Make the file consist of some bytes.

        Args:
            data: the bytes, in any buffer.

        Returns:
            How many bytes were written.

        Raises:
            OSError: it cannot be written.
            TypeError: `data` is no buffer.

        """
        return await hop(self._path.write_bytes, data)

    async def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        r"""Make the file consist of a text.

        Args:
            data: the text.
            encoding: its encoding; None for that of the locale.
            errors: what becomes of characters that the encoding does not know, as in `open`; None to raise.
            newline: what `\n` becomes, as in `open`.

        Returns:
            How many characters were written.

        Raises:
            OSError: it cannot be written.
            TypeError: `data` is no text.
            UnicodeEncodeError: the encoding does not know one of its characters.

        """
        encoding = io.text_encoding(encoding)
        return await hop(self._path.write_text, data, encoding, errors, newline)


def _text(content: bytes, encoding: str, errors: str | None, newline: str | None) -> str:
    """Return a file's content as the text that the built-in `open` makes of it."""
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding, errors, newline).read()
    except TypeError:
        # The words of `open` for this.
        open(os.devnull, encoding=encoding, errors=errors, newline=newline).close()
        raise
