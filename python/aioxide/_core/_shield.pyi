"""`shield`."""

import asyncio
from typing import Any, final

@final
class Shield:
    """The callback of the two futures of a `shield`."""

    def __call__(self, future: asyncio.Future[Any]) -> None: ...
