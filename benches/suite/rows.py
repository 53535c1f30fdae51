"""Every row of the benchmark: its name, its group, how much work it is and where its program is."""

import sys
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Literal

from suite import memory, pipes, primitives, processes, schedule, tasks, threads, timers, trees
from suite.files.rows import ROWS as _FILE_ROWS
from suite.files.rows import FileRow, TickRow

#: A sync program is called with the loop, the count and the stopwatch; an async one runs on the loop.
Program = Callable[..., None] | Callable[..., Awaitable[None]]

KIB = 1024

#: How the clients of a server reach it.
Transport = Literal["tcp", "tls", "unix", "udp"]


@dataclass(frozen=True)
class LoopRow:
    """A program that runs inside one process, on one loop."""

    #: As in the tables.
    name: str
    group: str
    program: Program
    #: Operations in one repetition of a full run.
    count: int
    #: Says how a loop's answer differs from asyncio's, if it does so in a way that saves it work.
    check: Callable[[AbstractEventLoop], str | None] | None = None
    #: Operations that are done together: no repetition, however quick the run, does a part of them.
    batch: int = 1
    #: Operations that every repetition does, however quick the run.
    count_min: int = 100
    #: The same in C, and its arguments after those that all such programs have.
    floor: tuple[str, ...] | None = None

    def whole(self, count: int) -> int:
        """Return the least number of operations that can be done, not below *count* or the minimum."""
        return -(-max(count, self.count_min) // self.batch) * self.batch


@dataclass(frozen=True)
class MemoryRow:
    """A program in one process, on one loop, that measures memory, which takes no second round."""

    #: As in the tables.
    name: str
    group: str
    #: Called with the count; returns the figures of a sample.
    program: Callable[[int], Coroutine[None, None, dict[str, float]]]
    #: Objects that are held at a time in a full run.
    count: int


@dataclass(frozen=True)
class ServerRow:
    """A server in one process, loaded from another."""

    #: As in the tables.
    name: str
    group: str
    #: A key of ``servers.PROGRAMS``.
    server: str
    #: Of datagrams: how many are in flight on the one socket.
    clients: int
    #: Bytes.
    request: int
    #: Bytes; the same number as ``request`` means that the reply must be the request.
    reply: int
    lifetime: Literal["kept", "per-request"] = "kept"
    #: How long each client rests between a reply and its next request, in microseconds.
    pause_us: int = 0
    transport: Transport = "tcp"
    #: The same server in C.
    floor: str | None = None


Row = LoopRow | MemoryRow | ServerRow | FileRow | TickRow

#: Titles of the groups, in the order of the tables, and what one operation is called, and many.
GROUPS = {
    "schedule": ("Ready callbacks", "callback", "callbacks"),
    "timers": ("Timers", "timer", "timers"),
    "threads": ("Other threads", "call", "calls"),
    "tasks": ("Tasks and futures", "operation", "operations"),
    "primitives": ("Primitives of asyncio", "operation", "operations"),
    "trees": ("Trees of tasks", "task", "tasks"),
    "memory": ("Memory", "task", "tasks"),
    "tcp": ("TCP echo", "request", "requests"),
    "reply": ("TCP replies and connections", "request", "requests"),
    "tls": ("TLS echo", "request", "requests"),
    "handshake": ("TLS connections", "connection", "connections"),
    "unix": ("Unix echo", "request", "requests"),
    "datagrams": ("UDP echo", "datagram", "datagrams"),
    "processes": ("Subprocesses", "subprocess", "subprocesses"),
    "pipes": ("Pipes", "MiB", "MiB"),
    "files": ("Files", "operation", "operations"),
    "overhead": ("Files, beyond what plain calls take", "operation", "operations"),
    "ticks": ("A task that ticks beside files", "tick", "ticks"),
}


def _in_batches(name: str, program: Program, count: int, batch: int) -> LoopRow:
    return LoopRow(name, "primitives", program, count, batch=batch)


_LOOP_ROWS = (
    LoopRow("call_soon", "schedule", schedule.call_soon, 200_000),
    LoopRow("call_soon, 3 arguments", "schedule", schedule.call_soon_3_args, 200_000),
    LoopRow("call_soon chain", "schedule", schedule.call_soon_chain, 50_000),
    LoopRow(
        "call_soon chain, 250 idle connections",
        "schedule",
        schedule.call_soon_chain_idle_connections,
        50_000,
    ),
    LoopRow("schedule and cancel", "timers", timers.timer_cancel, 200_000),
    LoopRow("the same among 10,000 live", "timers", timers.timer_cancel_among_live, 200_000),
    LoopRow("due together", "timers", timers.timers_due_together, 50_000),
    LoopRow("chain of zero delays", "timers", timers.zero_delay_chain, 30_000),
    LoopRow(
        "threadsafe, same thread",
        "threads",
        threads.threadsafe_same_thread,
        100_000,
        threads.wrong_context,
    ),
    LoopRow(
        "threadsafe, burst of a thread",
        "threads",
        threads.threadsafe_burst,
        50_000,
        threads.wrong_context,
    ),
    LoopRow(
        "threadsafe, wake and wait",
        "threads",
        threads.threadsafe_wake,
        10_000,
        threads.wrong_context,
    ),
    LoopRow("run_in_executor", "threads", threads.executor_hop, 5_000),
    LoopRow(
        "run_in_executor, 100 at a time",
        "threads",
        threads.executor_hops_together,
        20_000,
        batch=threads.IN_FLIGHT,
    ),
    LoopRow("run_in_executor, the user's", "threads", threads.executor_of_the_user, 5_000),
    LoopRow("to_thread", "threads", threads.to_thread, 5_000),
    LoopRow("wrap_future", "threads", threads.wrap_future, 10_000),
    LoopRow("run_coroutine_threadsafe and wait", "threads", threads.coroutine_from_thread, 5_000),
    LoopRow("getaddrinfo of a literal", "threads", threads.getaddrinfo_literal, 5_000),
    LoopRow("sleep(0)", "primitives", tasks.sleep_zero, 50_000),
    LoopRow("sleep(0) in 100 tasks", "tasks", tasks.sleep_zero_100_tasks, 200_000),
    LoopRow("create and await a task", "tasks", tasks.task_create_await, 30_000),
    LoopRow("gather, 5,000 at a time", "primitives", tasks.gather_batches, 50_000),
    LoopRow(
        "gather, 50,000 at a time",
        "tasks",
        tasks.gather_all,
        tasks.GATHER_ALL,
        batch=tasks.GATHER_ALL,
    ),
    LoopRow("future wake-up", "tasks", tasks.future_wake_up, 50_000),
    LoopRow("future ping-pong", "tasks", tasks.future_ping_pong, 20_000),
    LoopRow("Queue ping-pong", "primitives", tasks.queue_ping_pong, 20_000),
    LoopRow("Queue with room for 10", "primitives", primitives.bounded_queue, 50_000),
    _in_batches("contended Lock", primitives.contended_lock, 50_000, primitives.CONTENDERS),
    _in_batches(
        "contended Semaphore", primitives.contended_semaphore, 50_000, primitives.CONTENDERS
    ),
    LoopRow("wait_for", "primitives", primitives.wait_for, 20_000),
    LoopRow("timeout", "primitives", primitives.timeout, 20_000),
    _in_batches("TaskGroup of 100", primitives.task_groups, 50_000, primitives.GROUP),
    _in_batches("as_completed of 1,000", primitives.as_completed, 20_000, primitives.COMPLETED),
    _in_batches("10,000 sleepers", primitives.sleepers, 50_000, primitives.SLEEPERS),
)


def _tree(
    name: str, program: Program, check: Callable[[AbstractEventLoop], str | None] | None = None
) -> LoopRow:
    return LoopRow(name, "trees", program, trees.TREE, check, batch=trees.TREE)


_TREE_ROWS: tuple[LoopRow, ...] = (
    _tree("async_tree_none", trees.gather_tree),
    _tree("async_tree_none_tg", trees.group_tree),
)
if sys.version_info >= (3, 12):
    _TREE_ROWS += (
        _tree("async_tree_eager", trees.eager_gather_tree, trees.not_eager),
        _tree("async_tree_eager_tg", trees.eager_group_tree, trees.not_eager),
    )

_MEMORY_ROWS = (MemoryRow("tasks waiting", "memory", memory.waiting_tasks, 1_000_000),)

_ECHO_SERVERS = {
    "protocol": "Protocol",
    "buffered": "BufferedProtocol",
    "streams": "streams",
    "sockets": "sock_*",
}

#: A single client that answers at once meets a quick server asleep and a slow one still awake, which
#: makes the slow one look quicker by the price of a wake-up. After a pause every server sleeps.
_PAUSE_US = 100

_ECHO_ROWS = tuple(
    ServerRow(
        f"{title}, {size // KIB} KiB, {clients} client{'s' if clients > 1 else ''}",
        "tcp",
        server,
        clients,
        size,
        size,
        pause_us=_PAUSE_US if clients == 1 else 0,
    )
    for server, title in _ECHO_SERVERS.items()
    for size in (1 * KIB, 100 * KIB)
    for clients in (1, 64)
)

_REPLY_ROWS = (
    ServerRow("1 KiB as one write, 64 clients", "reply", "reply-once", 64, 64, KIB),
    ServerRow("1 KiB as header and body, 64 clients", "reply", "reply-twice", 64, 64, KIB),
    ServerRow(
        "connection for each request, 64 clients", "reply", "protocol", 64, 64, 64, "per-request"
    ),
)

_TLS_ROWS = tuple(
    ServerRow(
        f"TLS, {size // KIB} KiB, {clients} client{'s' if clients > 1 else ''}",
        "tls",
        "tls",
        clients,
        size,
        size,
        pause_us=_PAUSE_US if clients == 1 else 0,
        transport="tls",
        floor="tls_echo",
    )
    for size in (1 * KIB, 100 * KIB)
    for clients in (1, 32)
)

_HANDSHAKE_ROWS = (
    ServerRow(
        "TLS handshake, one byte, end; 8 clients",
        "handshake",
        "tls",
        8,
        1,
        1,
        "per-request",
        transport="tls",
        floor="tls_echo",
    ),
)

_UNIX_ROWS = tuple(
    ServerRow(
        f"Unix, {size // KIB} KiB, {clients} client{'s' if clients > 1 else ''}",
        "unix",
        "unix",
        clients,
        size,
        size,
        pause_us=_PAUSE_US if clients == 1 else 0,
        transport="unix",
        floor="unix_echo",
    )
    for size, clients in ((1 * KIB, 1), (1 * KIB, 64), (100 * KIB, 64))
)

_DATAGRAM_ROWS = tuple(
    ServerRow(
        f"512 B, {window} in flight",
        "datagrams",
        "datagrams",
        window,
        512,
        512,
        pause_us=_PAUSE_US if window == 1 else 0,
        transport="udp",
        floor="datagram_echo",
    )
    for window in (1, 32)
)

_PROCESS_ROWS = (
    LoopRow(
        "start and wait",
        "processes",
        processes.spawn,
        500,
        count_min=20,
        floor=("spawn", "0"),
    ),
    LoopRow(
        "start and wait, 2 GiB resident",
        "processes",
        processes.spawn_beside_much,
        200,
        count_min=20,
        floor=("spawn", str(processes.MUCH)),
    ),
)

_PIPE_ROWS = (
    LoopRow("pipe, written and read", "pipes", pipes.there, 1_000, floor=("pipe",)),
    LoopRow("to cat and back, streams", "pipes", pipes.there_and_back, 300),
)

ROWS: tuple[Row, ...] = (
    *(_LOOP_ROWS + _TREE_ROWS + _MEMORY_ROWS + _ECHO_ROWS + _REPLY_ROWS),
    *(_TLS_ROWS + _HANDSHAKE_ROWS + _UNIX_ROWS + _DATAGRAM_ROWS + _PROCESS_ROWS + _PIPE_ROWS),
    *_FILE_ROWS,
)


def row_named(name: str) -> Row:
    """Return the row called *name*; KeyError if there is none."""
    return {row.name: row for row in ROWS}[name]
