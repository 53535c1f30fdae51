"""Asynchronous generators that the loop's tasks left half iterated: who they are, and how they are closed."""

from __future__ import annotations

import asyncio
import sys
import warnings
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from aioxide.foundation import Foundation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    # What `sys.get_asyncgen_hooks` returns.
    Hooks = tuple[Any, Any]


class AsyncGenerators(Foundation):
    """Keeps track of asynchronous generators, and closes them in the loop rather than in the collector."""

    _asyncgens: WeakSet[AsyncGenerator[Any, Any]]

    def __init__(self) -> None:
        super().__init__()
        self._asyncgens = WeakSet()
        self._asyncgens_shutdown_called = False

    def _install_asyncgen_hooks(self) -> Hooks:
        """Hear of this thread's asynchronous generators; return who heard of them until now."""
        before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
        )
        return before

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        if self._asyncgens_shutdown_called:
            warnings.warn(
                f"asynchronous generator {agen!r} was scheduled after "
                f"loop.shutdown_asyncgens() call",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
        self._asyncgens.add(agen)

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        # The collector runs in any thread.
        self._asyncgens.discard(agen)
        if not self.is_closed():
            self.call_soon_threadsafe(self.create_task, agen.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close every asynchronous generator that was begun and not finished; report those that refuse."""
        self._asyncgens_shutdown_called = True
        agens = list(self._asyncgens)
        if not agens:
            return
        self._asyncgens.clear()
        results = await asyncio.gather(*(agen.aclose() for agen in agens), return_exceptions=True)
        for agen, result in zip(agens, results, strict=True):
            if isinstance(result, Exception):
                message = f"an error occurred during closing of asynchronous generator {agen!r}"
                self.call_exception_handler(
                    {"message": message, "exception": result, "asyncgen": agen}
                )
