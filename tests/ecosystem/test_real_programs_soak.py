"""Programs that do one thing very often: what they used after a first round, they use after the last.

Each runs in an interpreter of its own, and prints what it holds before and after: descriptors,
objects that the collector knows, and resident bytes.
"""

from __future__ import annotations

from tests.conftest import Program
from tests.parity.support import CERTS

PRELUDE = """
import contextlib, gc, socket

def used():
    gc.collect()
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(os.listdir("/proc/self/fd")), len(gc.get_objects()), resident

def soak(once, count):
    "Run the coroutine function `once(count)` for a warm-up, then in five parts; print what was used."
    with contextlib.closing(new_event_loop()) as loop:
        loop.run_until_complete(once(count // 5))
        print(*used())
        for _ in range(5):
            loop.run_until_complete(once(count // 5))
        print(*used())
        loop.run_until_complete(loop.shutdown_default_executor())

async def in_groups(once, count, at_once):
    for _ in range(count // at_once):
        await asyncio.gather(*(once() for _ in range(at_once)))
    # Connections end in turns of the loop, and the other side of each may be a turn behind.
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0.001)
"""

# The allocator keeps some pages more or less, whatever it is asked.
SLACK_BYTES = 2_000_000


def assert_flat(program: Program, source: str, *, objects_max: int = 100) -> None:
    """Fail if the program holds more after the last round than after the first."""
    run = program.run(PRELUDE + source)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stderr == ""
    before, after = ([int(word) for word in line.split()] for line in run.stdout.splitlines())
    assert after[0] == before[0], f"descriptors: {before[0]}, then {after[0]}"
    assert after[1] - before[1] < objects_max, f"objects: {before[1]}, then {after[1]}"
    assert after[2] - before[2] < SLACK_BYTES, f"resident bytes: {before[2]}, then {after[2]}"


def test_timeouts_that_never_come_leave_nothing(program: Program) -> None:
    assert_flat(
        program,
        """
async def once(count):
    # The timers are cancelled long before they are due: whoever keeps them until then grows.
    loop = asyncio.get_running_loop()
    for number in range(count):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await asyncio.wait_for(future, 3600 + number)

soak(once, 100_000)
""",
    )


def test_timeouts_that_come_leave_nothing(program: Program) -> None:
    assert_flat(
        program,
        """
async def once(count):
    queue, lock = asyncio.Queue(), asyncio.Lock()
    await lock.acquire()

    async def one():
        for wait in (asyncio.Event().wait, queue.get, lock.acquire):
            try:
                await asyncio.wait_for(wait(), 0.001)
            except TimeoutError:
                continue
            raise AssertionError("no timeout")

    await in_groups(one, count, 100)

soak(once, 5_000)
""",
    )


def test_threads_asked_for_an_answer_leave_nothing(program: Program) -> None:
    assert_flat(
        program,
        """
async def once(count):
    await in_groups(lambda: asyncio.to_thread(int), count, 50)

soak(once, 10_000)
""",
        # The threads of the executor are made one by one, when all others are busy.
        objects_max=1000,
    )


def test_ten_thousand_connections_leave_nothing(program: Program) -> None:
    assert_flat(
        program,
        """
import itertools
turn = itertools.count()
HOW = ("close", "write_eof", "abort")

class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

class Client(asyncio.Protocol):
    "Says a word, hears it, and ends the connection in one way of three."

    def __init__(self):
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"word")

    def data_received(self, data):
        assert data == b"word"
        getattr(self.transport, HOW[next(turn) % 3])()

    def connection_lost(self, exc):
        self.lost.set_result(exc)

async def once(count):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()

    async def one():
        _, client = await loop.create_connection(Client, host, port)
        assert await client.lost is None

    await in_groups(one, count, 50)
    server.close()
    await server.wait_closed()

soak(once, 10_000)
""",
    )


def test_datagram_endpoints_leave_nothing(program: Program) -> None:
    assert_flat(
        program,
        """
class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)

class Asks(asyncio.DatagramProtocol):
    def __init__(self):
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.sendto(b"word")

    def datagram_received(self, data, addr):
        assert data == b"word"
        self.transport.close()

    def connection_lost(self, exc):
        self.lost.set_result(exc)

async def once(count):
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    address = server.get_extra_info("sockname")

    async def one():
        _, client = await loop.create_datagram_endpoint(Asks, remote_addr=address)
        assert await client.lost is None

    await in_groups(one, count, 20)
    server.close()

soak(once, 5_000)
""",
    )


# `{serve}` and `{connect}` are what differs between kinds of streams. Every third connection is
# ended by the client, every third by the server, and every third by a reset.
STREAMS = """
import itertools, ssl
turn = itertools.count()

async def serve(reader, writer):
    word = await reader.readline()
    writer.write(word)
    if word == b"you\\n":
        writer.close()
    with contextlib.suppress(ConnectionError):
        await reader.read()
        writer.close()
        await writer.wait_closed()

async def one(connect):
    reader, writer = await connect()
    word = (b"me\\n", b"you\\n", b"reset\\n")[next(turn) % 3]
    writer.write(word)
    assert await reader.readline() == word
    if word == b"you\\n":
        assert await reader.read() == b""
    if word == b"reset\\n":
        writer.transport.abort()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()

async def once(count):
    server = await {serve}
    address = server.sockets[0].getsockname()
    await in_groups(lambda: one(lambda: {connect}), count, 20)
    server.close()
    await server.wait_closed()
"""


def test_unix_streams_leave_nothing(program: Program) -> None:
    source = STREAMS.format(
        serve=r'asyncio.start_unix_server(serve, f"\0aioxide-soak-{os.getpid()}")',
        connect="asyncio.open_unix_connection(address)",
    )
    assert_flat(program, source + "soak(once, 3_000)")


def test_tls_streams_leave_nothing(program: Program) -> None:
    source = STREAMS.format(
        serve='asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)',
        connect='asyncio.open_connection(*address, ssl=client_tls, server_hostname="localhost")',
    )
    certificate = str(CERTS / "localhost.pem")
    contexts = f"""
server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
server_tls.load_cert_chain({certificate!r})
client_tls = ssl.create_default_context(cafile={certificate!r})
"""
    assert_flat(program, source + contexts + "soak(once, 1_000)")
