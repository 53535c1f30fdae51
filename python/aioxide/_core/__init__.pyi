"""aioxide's native half. Use it through the package `aioxide`."""

from typing import Final

from ._clock import VirtualClock
from ._event_loop import EventLoop, adopt_methods
from ._files import BinaryFile, Chunks, ForeignFiles, TextFile, file_backend
from ._future import Future, FutureIter, future_add_to_awaited_by, future_discard_from_awaited_by
from ._handle import Handle, ThreadSafeHandle, TimerHandle
from ._joint import JointCallback, WaitGroup, _AsCompletedIterator, _GatheringFuture
from ._locks import Barrier, BoundedSemaphore, Condition, Event, Lock, Semaphore
from ._names import literal_address_info
from ._programs import start_program
from ._queues import LifoQueue, PriorityQueue, Queue
from ._routine import NativeCoroutine, NativeCoroutineWrapper, NativeFunction, native_function
from ._shield import Shield
from ._sock import SockOperation, Wait, accept, admit
from ._streams import FlowControlMixin, StreamReader, StreamReaderProtocol, StreamWriter
from ._task import Resumption, Task, registered_tasks
from ._task_group import TaskGroup
from ._threads import ContextCall, JobQueue, Submission, Worker, Wrapper
from ._timeouts import Timeout
from ._tls import Tls
from ._transports import Clients, DatagramEndpoint, NativeMethod, Stream

__all__ = [
    "Barrier",
    "BinaryFile",
    "BoundedSemaphore",
    "Chunks",
    "Clients",
    "Condition",
    "ContextCall",
    "DatagramEndpoint",
    "Event",
    "EventLoop",
    "FlowControlMixin",
    "ForeignFiles",
    "Future",
    "FutureIter",
    "Handle",
    "JobQueue",
    "JointCallback",
    "LifoQueue",
    "Lock",
    "NativeCoroutine",
    "NativeCoroutineWrapper",
    "NativeFunction",
    "NativeMethod",
    "PriorityQueue",
    "Queue",
    "Resumption",
    "Semaphore",
    "Shield",
    "SockOperation",
    "Stream",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "Submission",
    "Task",
    "TaskGroup",
    "TextFile",
    "ThreadSafeHandle",
    "Timeout",
    "TimerHandle",
    "Tls",
    "VirtualClock",
    "Wait",
    "WaitGroup",
    "Worker",
    "Wrapper",
    "_AsCompletedIterator",
    "_GatheringFuture",
    "__version__",
    "accept",
    "admit",
    "adopt_methods",
    "build_info",
    "file_backend",
    "future_add_to_awaited_by",
    "future_discard_from_awaited_by",
    "literal_address_info",
    "native_function",
    "registered_tasks",
    "start_program",
]

__version__: Final[str]

def build_info() -> dict[str, str]: ...
