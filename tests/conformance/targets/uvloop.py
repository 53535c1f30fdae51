"""A peer for comparison: uvloop's loop under the stdlib's Task and Future."""

import uvloop

EventLoop = uvloop.Loop
