"""A peer for comparison: rloop's loop under the stdlib's Task and Future."""

import rloop.loop  # type: ignore[import-untyped]

# The class rather than rloop.new_event_loop, so that isinstance() checks of the tests hold.
EventLoop = rloop.loop.RLoop
