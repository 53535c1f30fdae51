"""The policy whose event loops are ours, for the Pythons that have policies (before 3.16).

Policies are deprecated from Python 3.14 on: there this module is imported only when somebody asks for it.
"""

from __future__ import annotations

import sys

from aioxide.event_loop import EventLoop

# From 3.14 on the public name warns at every access; a subclass needs the class, not the advice.
if sys.version_info >= (3, 14):
    from asyncio.unix_events import _DefaultEventLoopPolicy as DefaultPolicy
else:
    from asyncio import DefaultEventLoopPolicy as DefaultPolicy


class EventLoopPolicy(DefaultPolicy):
    """asyncio's default policy, except that the loops it makes are `aioxide.EventLoop`."""

    def new_event_loop(self) -> EventLoop:
        """Return a new event loop, which is not set as the current one."""
        return EventLoop()
