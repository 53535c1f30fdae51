"""What type checkers know of the package: all that they know of asyncio, and what is ours.

Natives have asyncio's own types here, so that whoever writes `import aioxide as asyncio` has nothing new to learn. Only
where a name of asyncio's takes more than asyncio's does it is declared as ours.
"""

import sys
from asyncio import base_events as base_events
from asyncio import base_futures as base_futures
from asyncio import base_subprocess as base_subprocess
from asyncio import base_tasks as base_tasks
from asyncio import constants as constants
from asyncio import coroutines as coroutines
from asyncio import events as events
from asyncio import exceptions as exceptions
from asyncio import format_helpers as format_helpers
from asyncio import futures as futures
from asyncio import locks as locks
from asyncio import log as log
from asyncio import mixins as mixins
from asyncio import protocols as protocols
from asyncio import queues as queues
from asyncio import runners as runners
from asyncio import selector_events as selector_events
from asyncio import sslproto as sslproto
from asyncio import staggered as staggered
from asyncio import streams as streams
from asyncio import subprocess as subprocess
from asyncio import taskgroups as taskgroups
from asyncio import tasks as tasks
from asyncio import threads as threads
from asyncio import timeouts as timeouts
from asyncio import transports as transports
from asyncio import trsock as trsock
from asyncio import unix_events as unix_events
from asyncio.base_events import *
from asyncio.coroutines import *

# All but new_event_loop, which is ours.
from asyncio.events import AbstractEventLoop as AbstractEventLoop
from asyncio.events import AbstractServer as AbstractServer
from asyncio.events import Handle as Handle
from asyncio.events import TimerHandle as TimerHandle
from asyncio.events import _get_running_loop as _get_running_loop
from asyncio.events import _set_running_loop as _set_running_loop
from asyncio.events import get_event_loop as get_event_loop
from asyncio.events import get_event_loop_policy as get_event_loop_policy
from asyncio.events import get_running_loop as get_running_loop
from asyncio.events import set_event_loop as set_event_loop
from asyncio.events import set_event_loop_policy as set_event_loop_policy
from asyncio.exceptions import *
from asyncio.futures import *
from asyncio.locks import *
from asyncio.protocols import *
from asyncio.queues import *
from asyncio.streams import *
from asyncio.subprocess import *
from asyncio.taskgroups import *
from asyncio.tasks import *
from asyncio.threads import *
from asyncio.timeouts import *
from asyncio.transports import *

from aioxide import files as files
from aioxide._core import VirtualClock as VirtualClock
from aioxide._core import __version__ as __version__
from aioxide.event_loop import EventLoop as EventLoop
from aioxide.installation import install as install
from aioxide.installation import installed as installed
from aioxide.installation import uninstall as uninstall
from aioxide.loops import SelectorEventLoop as SelectorEventLoop
from aioxide.loops import new_event_loop as new_event_loop
from aioxide.starting import Runner as Runner
from aioxide.starting import run as run

if sys.version_info >= (3, 14):
    from asyncio import graph as graph
    from asyncio.graph import *
else:
    from asyncio.events import get_child_watcher as get_child_watcher
    from asyncio.events import set_child_watcher as set_child_watcher

    # All but the event loops, which are ours.
    from asyncio.unix_events import AbstractChildWatcher as AbstractChildWatcher
    from asyncio.unix_events import FastChildWatcher as FastChildWatcher
    from asyncio.unix_events import MultiLoopChildWatcher as MultiLoopChildWatcher
    from asyncio.unix_events import PidfdChildWatcher as PidfdChildWatcher
    from asyncio.unix_events import SafeChildWatcher as SafeChildWatcher
    from asyncio.unix_events import ThreadedChildWatcher as ThreadedChildWatcher

if sys.version_info < (3, 16):
    from asyncio import AbstractEventLoopPolicy as AbstractEventLoopPolicy
    from asyncio import DefaultEventLoopPolicy as DefaultEventLoopPolicy

    from aioxide.policy import EventLoopPolicy as EventLoopPolicy
