"""What is in the file that a path leads to."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, overload

from aioxide.files.hops import hop
from aioxide.files.opening import open_blaming
from aioxide.files.paths.lexical import Lexical

if TYPE_CHECKING:
    from _typeshed import OpenBinaryMode, OpenTextMode, ReadableBuffer

    from aioxide.files.binary import BinaryFile
    from aioxide.files.opening import Opening
    from aioxide.files.text import TextFile


class Contents(Lexical):
    """What reads and writes a file."""

    __slots__ = ()

    @overload
    def open(
        self,
        mode: OpenTextMode = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[TextFile]: ...
    @overload
    def open(
        self,
        mode: OpenBinaryMode,
        buffering: int = -1,
        encoding: None = None,
        errors: None = None,
        newline: None = None,
    ) -> Opening[BinaryFile]: ...
    @overload
    def open(
        self,
        mode: str,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[Any]: ...
    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[Any]:
        """Open the file, as `aioxide.files.open` does.

        Args:
            mode: what for, as there.
            buffering: how, as there.
            encoding: the text's encoding, as there.
            errors: what becomes of what is no text in this encoding, as there.
            newline: what ends a line of text, as there.

        Returns:
            What is to be awaited for the open file, or entered by `async with`.

        Raises:
            ValueError: the mode makes no sense, or not with the other arguments.
            OSError: when it is awaited, the file cannot be opened.

        """
        return open_blaming(2, self._path, mode, buffering, encoding, errors, newline)

    async def read_bytes(self) -> bytes:
        """Return all that is in the file.

        Raises:
            OSError: there is no such file, or it cannot be read.

        """
        async with open_blaming(2, self._path, "rb", 0, None, None, None) as file:
            content: bytes = await file.readall()
        return content

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
            return await self._read_text(io.text_encoding(encoding), errors, newline)

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
            return await self._read_text(io.text_encoding(encoding), errors, None)

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

    async def _read_text(self, encoding: str, errors: str | None, newline: str | None) -> str:
        try:
            opening = open_blaming(3, self._path, "r", -1, encoding, errors, newline)
        except (LookupError, ValueError):
            # What is wrong with the file is told first.
            await self.read_bytes()
            raise
        async with opening as file:
            text: str = await file.read()
        return text
