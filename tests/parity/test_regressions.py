"""What went wrong once in one event loop or another, and must not here; each test names the kind of mistake."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import signal
import socket
import threading
import time
import weakref
from typing import Any

import pytest

from .support import (
    Loop,
    Recorder,
    Reports,
    Serving,
    client_tls,
    connected,
    nonblocking_pair,
    port_of,
    server_tls,
    tcp_sockets,
    turns,
)


def test_an_idle_loop_uses_no_cpu(loop: Loop) -> None:
    a, b = nonblocking_pair()
    twin = a.dup()
    loop.add_reader(a, int)
    loop.remove_reader(a)
    a.close()
    b.send(b"the twin stays readable, and nobody asked")
    loop.call_later(0.3, loop.stop)
    before = time.process_time()
    loop.run_forever()
    assert time.process_time() - before < 0.15
    twin.close()
    b.close()


def test_periodic_short_timers_do_not_make_the_loop_spin(loop: Loop) -> None:
    ends = loop.time() + 0.3
    fired = 0

    def tick() -> None:
        nonlocal fired
        fired += 1
        if loop.time() < ends:
            loop.call_later(0.005, tick)
        else:
            loop.stop()

    before = time.process_time()
    loop.call_soon(tick)
    loop.run_forever()
    assert time.process_time() - before < 0.15
    assert 2 <= fired <= 62


def test_the_wakeup_fd_of_the_user_survives_a_run(loop: Loop) -> None:
    a, b = nonblocking_pair()
    signal.set_wakeup_fd(a.fileno())
    try:
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
    finally:
        assert signal.set_wakeup_fd(-1) == a.fileno()
    a.close()
    b.close()


async def test_futures_completed_by_a_thread_never_get_lost(loop: Loop) -> None:
    count = 2000
    futures = [loop.create_future() for _ in range(count)]

    def producer() -> None:
        for future in futures:
            loop.call_soon_threadsafe(future.set_result, None)

    thread = threading.Thread(target=producer)
    thread.start()
    async with asyncio.timeout(20):
        for future in futures:
            await future
    thread.join()


async def test_threads_and_the_loop_play_ping_pong(loop: Loop) -> None:
    for _ in range(200):
        assert await loop.run_in_executor(None, int) == 0


async def test_a_socket_closed_under_a_waiting_recv_does_not_break_the_loop(loop: Loop) -> None:
    a, b = nonblocking_pair()
    waiting = loop.create_task(loop.sock_recv(a, 1))
    await turns(2)
    a.close()
    await turns(3)
    waiting.cancel()
    with pytest.raises((asyncio.CancelledError, OSError)):
        await waiting
    b.close()
    c, d = nonblocking_pair()
    d.send(b"x")
    assert await loop.sock_recv(c, 1) == b"x"
    c.close()
    d.close()


async def test_an_internal_type_made_by_hand_raises_and_does_not_crash(loop: Loop) -> None:
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    handle, timer = loop.call_soon(int), loop.call_later(3600, int)
    async with connected(asyncio.Protocol, asyncio.Protocol) as pair:
        kinds = [type(thing) for thing in (handle, timer, server, pair.client_transport)]
        for kind in kinds:
            with pytest.raises(TypeError):
                kind()
            with pytest.raises((TypeError, AttributeError)):
                kind(None)
        gc.collect()
    timer.cancel()
    server.close()


async def test_an_internal_object_without_its_init_does_not_crash(loop: Loop) -> None:
    async with connected(asyncio.Protocol, asyncio.Protocol) as pair:
        kind = type(pair.client_transport)
    with pytest.raises((TypeError, AttributeError, NotImplementedError)):
        kind.__new__(kind).write(b"x")


def test_loops_in_many_threads_do_not_disturb_each_other(loop_factory) -> None:  # type: ignore[no-untyped-def]
    async def main(n: int) -> bytes:
        serving = Serving()
        server = await asyncio.get_running_loop().create_server(serving, "127.0.0.1", 0)
        transport, _ = await asyncio.get_running_loop().create_connection(
            Recorder, "127.0.0.1", port_of(server)
        )
        transport.write(b"%d" % n)
        transport.write_eof()
        [protocol] = await serving.made(1)
        await protocol.lost
        transport.close()
        server.close()
        await server.wait_closed()
        return bytes(protocol.data)

    def run(n: int) -> bytes:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main(n))

    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        assert list(executor.map(run, range(40))) == [b"%d" % n for n in range(40)]


def test_processes_are_spawned_from_several_threads(loop_factory) -> None:  # type: ignore[no-untyped-def]
    async def main(n: int) -> int:
        process = await asyncio.create_subprocess_shell(f"exit {n}")
        return await process.wait()

    def run(n: int) -> int:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main(n))

    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        assert list(executor.map(run, range(12))) == list(range(12))


async def test_a_library_may_spawn_processes_of_its_own_in_a_thread(loop: Loop) -> None:
    import subprocess

    def library() -> int:
        return subprocess.run(["sh", "-c", "exit 3"], check=False).returncode

    ours = [await asyncio.create_subprocess_shell(f"exit {n}") for n in range(4)]
    theirs = await asyncio.gather(*(loop.run_in_executor(None, library) for _ in range(4)))
    assert theirs == [3] * 4
    assert [await process.wait() for process in ours] == [0, 1, 2, 3]


def test_a_forked_child_may_resolve_and_serve(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        async def serve():
            loop = asyncio.get_running_loop()
            await loop.getaddrinfo("localhost", 80)
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
            server.close()
            await server.wait_closed()
            await asyncio.to_thread(int)
            return "fine"
        def run():
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                return runner.run(serve())
        run()
        pid = os.fork()
        if pid == 0:
            os._exit(42 if run() == "fine" else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
    )
    assert result.stdout == "42\n", result.stderr


def test_a_child_forked_in_another_thread_may_handle_signals(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        async def main():
            loop = asyncio.get_running_loop()
            got = loop.create_future()
            loop.add_signal_handler(signal.SIGUSR1, got.set_result, "signal")
            os.kill(os.getpid(), signal.SIGUSR1)
            return await got
        def child():
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                return runner.run(main())
        def fork():
            pid = os.fork()
            if pid == 0:
                os._exit(42 if child() == "signal" else 1)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        codes = []
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        print(codes)
        """
    )
    assert result.stdout == "[42]\n", result.stderr


def test_a_server_out_of_file_descriptors_recovers(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        import resource, socket
        served = []
        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                served.append(transport)
                if len(served) == 3:
                    everybody.set_result(None)
        async def main():
            global everybody
            loop = asyncio.get_running_loop()
            reports = []
            loop.set_exception_handler(lambda loop, context: reports.append(context))
            everybody = loop.create_future()
            server = await loop.create_server(Protocol, "127.0.0.1", 0)
            clients = [socket.socket() for _ in range(3)]
            await loop.run_in_executor(None, int)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            fillers = []
            try:
                while True:
                    fillers.append(os.dup(0))
            except OSError:
                pass
            for client in clients:
                client.connect(server.sockets[0].getsockname())
            while not reports:
                await asyncio.sleep(0)
            assert not served
            print(reports[0]["exception"].errno, reports[0]["message"])
            for fd in fillers:
                os.close(fd)
            async with asyncio.timeout(20):
                await everybody
            for transport in served:
                transport.close()
            for client in clients:
                client.close()
            server.close()
            await asyncio.sleep(0)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())
        """
    )
    assert result.stdout == "24 socket.accept() out of system resource\n", result.stderr


async def test_start_tls_with_the_clients_hello_already_there_works(loop: Loop) -> None:
    a, b = tcp_sockets()
    near, client = await loop.create_connection(Recorder, sock=a)
    far, server = await loop.connect_accepted_socket(Recorder, b)
    far.pause_reading()
    upgrading = loop.create_task(
        loop.start_tls(near, client, client_tls(), server_hostname="localhost")
    )
    await turns(10)  # the hello is in the socket by now
    far_tls = await loop.start_tls(far, server, server_tls(), server_side=True)
    near_tls = await upgrading
    assert near_tls is not None
    assert far_tls is not None
    near_tls.write(b"secret")
    assert await server.received(6) == b"secret"
    near_tls.close()
    await client.lost
    await server.lost


async def test_a_tls_protocol_may_write_from_all_its_callbacks(loop: Loop) -> None:
    class Chatty(Recorder):
        enough = 100_000

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"made")

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if len(self.data) < self.enough:
                for start in range(0, len(data), 1000):
                    self.transport.write(data[start : start + 1000] * 2)

        def eof_received(self) -> bool:
            self.transport.write(b"eof")
            return super().eof_received()

    class Patient(Chatty):
        enough = 10_000_000  # the client is the one who stops

    serving = Serving(Patient)
    server = await loop.create_server(serving, "127.0.0.1", 0, ssl=server_tls())
    transport, protocol = await loop.create_connection(
        Chatty, "127.0.0.1", port_of(server), ssl=client_tls(), server_hostname="localhost"
    )
    await protocol.received(100_000)
    transport.close()
    await protocol.lost
    [accepted] = await serving.made(1)
    await accepted.lost
    server.close()


async def test_objects_of_a_failed_handshake_go_in_any_order(loop: Loop, reports: Reports) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=server_tls())
    for _ in range(10):
        with pytest.raises(OSError, match="certificate verify failed"):
            await loop.create_connection(
                Recorder,
                "127.0.0.1",
                port_of(server),
                ssl=client_tls("stranger"),
                server_hostname="localhost",
            )
        gc.collect()
    await turns(5)
    reports.clear()
    server.close()


async def test_udp_to_port_zero_is_an_error_that_the_endpoint_survives(loop: Loop) -> None:
    errors: asyncio.Queue[Exception] = asyncio.Queue()
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Protocol(asyncio.DatagramProtocol):
        def error_received(self, exc: Exception) -> None:
            errors.put_nowait(exc)

        def datagram_received(self, data: bytes, addr: object) -> None:
            got.put_nowait(data)

    transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    transport.sendto(b"x", ("127.0.0.1", 0))
    assert isinstance(await errors.get(), OSError)
    transport.sendto(b"y", transport.get_extra_info("sockname"))
    assert await got.get() == b"y"
    transport.close()


async def test_datagram_endpoints_that_are_dropped_unclosed_only_warn(loop: Loop) -> None:
    for _ in range(5):
        made = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0), reuse_port=True
        )
        made[0].abort()
        del made
        await turns(2)
        gc.collect()


async def test_a_connection_dropped_in_every_turn_of_its_making_leaves_no_fd(loop: Loop) -> None:
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    await turns(2)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for steps in range(12):
        task = loop.create_task(
            loop.create_connection(asyncio.Protocol, "127.0.0.1", port_of(server))
        )
        await turns(steps)
        task.cancel()
        try:
            transport, _ = await task
        except asyncio.CancelledError:
            continue
        transport.abort()
    server.close()
    for _ in range(20):
        await asyncio.sleep(0.001)
        if len(os.listdir("/proc/self/fd")) < before:
            break
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_both_ends_may_close_at_the_same_time_with_data_under_way(loop: Loop) -> None:
    for _ in range(20):
        async with connected(Recorder, Recorder) as pair:
            pair.client_transport.write(b"c" * 1000)
            pair.server_transport.write(b"s" * 1000)
            pair.client_transport.close()
            pair.server_transport.close()
            await pair.client.lost
            await pair.server.lost
            assert pair.client.events.count("lost") == pair.server.events.count("lost") == 1


async def test_a_listening_socket_is_not_inherited_by_children(loop: Loop) -> None:
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    sock = server.sockets[0]
    assert os.get_inheritable(sock.fileno()) is False
    async with connected(asyncio.Protocol, asyncio.Protocol) as pair:
        fd = pair.client_transport.get_extra_info("socket").fileno()
        assert os.get_inheritable(fd) is False
    server.close()


def test_the_fds_of_a_loop_are_not_inherited_by_children(loop_factory) -> None:  # type: ignore[no-untyped-def]
    before = set(os.listdir("/proc/self/fd"))
    loop = loop_factory()
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.call_soon(loop.stop)
    loop.run_forever()
    for name in set(os.listdir("/proc/self/fd")) - before:
        with contextlib.suppress(OSError):  # the fd of the listing itself is gone
            assert os.get_inheritable(int(name)) is False
    loop.close()


async def test_peers_address_families_survive_an_odd_socket(loop: Loop) -> None:
    a, b = socket.socketpair()
    transport, protocol = await loop.create_connection(Recorder, sock=a)
    assert transport.get_extra_info("socket").family == socket.AF_UNIX
    transport.close()
    await protocol.lost
    b.close()


def test_a_watched_object_lives_for_as_long_as_it_is_watched(loop: Loop) -> None:
    a, b = nonblocking_pair()
    number = a.fileno()
    is_gone = weakref.ref(a)
    loop.add_reader(a, loop.stop)
    del a
    gc.collect()
    b.send(b"x")
    loop.run_forever()
    kept = is_gone()
    assert kept is not None
    assert kept.fileno() == number
    kept.close()
    assert loop.remove_reader(kept) is True
    del kept
    assert is_gone() is None
    b.close()


@pytest.mark.parametrize("direction", ["reader", "writer"])
def test_a_watch_may_be_removed_by_an_object_that_was_closed(loop: Loop, direction: str) -> None:
    other = {"reader": "writer", "writer": "reader"}[direction]
    a, b = nonblocking_pair()
    getattr(loop, f"add_{direction}")(a, int)
    a.close()
    assert getattr(loop, f"remove_{other}")(a) is False
    assert getattr(loop, f"remove_{direction}")(a) is True
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        getattr(loop, f"remove_{direction}")(a)
    b.close()


@pytest.mark.asyncio_bug("a descriptor that was closed and given out again cannot be watched")
async def test_a_closed_object_removes_no_watch_of_whoever_got_its_descriptor(loop: Loop) -> None:
    a, b = nonblocking_pair()
    number = a.fileno()
    loop.add_reader(a, int)
    a.close()
    mine, theirs = nonblocking_pair()
    assert mine.fileno() == number
    transport, protocol = await loop.connect_accepted_socket(Recorder, mine)
    assert loop.remove_reader(a) is False
    theirs.send(b"still heard")
    assert await protocol.received(11) == b"still heard"
    transport.close()
    await protocol.lost
    theirs.close()
    b.close()
