"""A forked child cannot disturb its parent's loop, whatever it does to its copy; and the copy works by itself.

On asyncio's loop both share one epoll instance, so that what a child closes, its parent does not hear of any more.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

PRELUDE = """
    import asyncio, gc, os, socket, threading, warnings
    import aioxide
    warnings.simplefilter("ignore")

    def child(act):
        pid = os.fork()
        if pid == 0:
            try:
                act()
                gc.collect()
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            accepted.append(transport)
        def data_received(self, data):
            accepted[-1].write(data)

    accepted = []

    async def connect():
        global server, reader, writer
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await echo(b"ping")

    async def echo(word):
        writer.write(word)
        assert await asyncio.wait_for(reader.readexactly(len(word)), 20) == word

    async def end():
        writer.close()
        accepted[-1].close()
        server.close()
        await writer.wait_closed()

    async def wake_from_thread():
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        thread = threading.Timer(0.01, loop.call_soon_threadsafe, (woken.set,))
        thread.start()
        await asyncio.wait_for(woken.wait(), 20)
        thread.join()

    def one_byte(loop, sock):
        async def receive():
            got = loop.create_future()
            loop.add_reader(sock, lambda: got.done() or got.set_result(sock.recv(1)))
            try:
                return await asyncio.wait_for(got, 20)
            finally:
                loop.remove_reader(sock)
        return loop.run_until_complete(receive())
"""


def run(source: str) -> None:
    """Run a program in an interpreter of its own. It has to end well and to say nothing on stderr."""
    command = [sys.executable, "-c", textwrap.dedent(PRELUDE) + textwrap.dedent(source)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_a_child_closes_its_parent_goes_on_with() -> None:
    run("""
        def close_everything():
            accepted[0].close()
            writer.transport.abort()
            server.close()
            loop.close()

        loop = aioxide.new_event_loop()
        loop.run_until_complete(connect())
        child(close_everything)
        loop.run_until_complete(echo(b"parent"))
        loop.run_until_complete(wake_from_thread())
        # The listening socket is watched still, too.
        with socket.create_connection(server.sockets[0].getsockname()):
            while len(accepted) < 2:
                loop.run_until_complete(asyncio.sleep(0.001))
            accepted.pop().close()
        loop.run_until_complete(end())
        loop.close()
    """)


def test_a_watcher_that_a_child_removes_stays_with_its_parent() -> None:
    run("""
        ours, theirs = socket.socketpair()
        loop = aioxide.new_event_loop()
        heard = loop.create_future()
        loop.add_reader(ours, lambda: heard.done() or heard.set_result(ours.recv(1)))
        child(lambda: loop.remove_reader(ours))
        theirs.send(b"x")
        assert loop.run_until_complete(asyncio.wait_for(heard, 20)) == b"x"
        loop.close()
    """)


def test_a_child_forked_in_a_callback_may_collect_everything_and_run_a_loop_of_its_own() -> None:
    run("""
        def fresh():
            accepted.clear()
            async def main():
                await connect()
                gc.collect()
                await echo(b"child")
                await end()
            aioxide.run(main())

        async def main():
            await connect()
            child(fresh)
            await echo(b"parent")
            await wake_from_thread()
            await end()

        aioxide.run(main())
    """)


def test_a_loop_that_was_forked_before_its_run_works_in_parent_and_child() -> None:
    run("""
        pairs = [socket.socketpair() for _ in range(2)]
        heard = []
        loop = aioxide.new_event_loop()
        loop.add_reader(pairs[0][0], lambda: heard.append(pairs[0][0].recv(1)))

        def use():
            loop.run_until_complete(wake_from_thread())
            pairs[1][1].send(b"c")
            assert one_byte(loop, pairs[1][0]) == b"c"
            # What was watched before the fork is watched in the child.
            pairs[0][1].send(b"x")
            while not heard:
                loop.run_until_complete(asyncio.sleep(0.001))
            loop.run_until_complete(connect())
            loop.run_until_complete(end())
            loop.close()

        child(use)
        assert heard == []
        use()
        assert heard == [b"x"]
    """)


def test_a_loop_that_sleeps_in_another_thread_is_left_asleep_by_a_child() -> None:
    run("""
        loop = aioxide.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        call = lambda coro: asyncio.run_coroutine_threadsafe(coro, loop).result(20)
        call(connect())

        def drop():
            global loop, server, reader, writer
            accepted[0].abort()
            loop.remove_reader(server.sockets[0])
            accepted.clear()
            del loop, server, reader, writer
            gc.collect()
            aioxide.run(asyncio.sleep(0.001))

        child(drop)
        call(echo(b"parent"))
        call(wake_from_thread())
        call(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    """)
