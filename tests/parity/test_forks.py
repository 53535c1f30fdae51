"""Forked processes: what a child drops of its parent's connections lives on there, and each has a loop of its own."""

from __future__ import annotations

_ECHO = """
    import gc, warnings
    warnings.simplefilter("ignore")

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            accepted.append(transport)
        def data_received(self, data):
            accepted[0].write(data)

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

    async def connect():
        global server, reader, writer
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"

    async def echo(word):
        writer.write(word)
        assert await asyncio.wait_for(reader.readexactly(len(word)), 20) == word

    async def end():
        writer.close()
        accepted[0].close()
        server.close()
        await writer.wait_closed()

    accepted = []
"""


def test_a_paused_connection_that_a_child_collects_goes_on_in_its_parent(program) -> None:  # type: ignore[no-untyped-def]
    done = program.run(
        _ECHO
        + """
    loop = new_event_loop()
    loop.run_until_complete(connect())
    accepted[0].pause_reading()
    # Somebody else holds the socket, so that it is the transport that has to take leave of it.
    sock = accepted[0].get_extra_info("socket")
    child(accepted.clear)
    accepted[0].resume_reading()
    loop.run_until_complete(echo(b"after"))
    loop.run_until_complete(end())
    loop.close()
    print("fine")
    """
    )
    assert done.stdout == "fine\n", done.stderr


def test_a_reading_pipe_that_a_child_collects_goes_on_in_its_parent(program) -> None:  # type: ignore[no-untyped-def]
    done = program.run(
        _ECHO
        + """
    async def connect_pipe():
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), file)
        return stream, transport

    loop = new_event_loop()
    reading, writing = os.pipe()
    file = open(reading, "rb", 0)
    pipe = list(loop.run_until_complete(connect_pipe()))
    os.write(writing, b"a")
    assert loop.run_until_complete(pipe[0].read(1)) == b"a"
    pipe[1].pause_reading()
    child(pipe.clear)
    pipe[1].resume_reading()
    os.write(writing, b"b")
    assert loop.run_until_complete(asyncio.wait_for(pipe[0].read(1), 20)) == b"b"
    pipe[1].close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    print("fine")
    """
    )
    assert done.stdout == "fine\n", done.stderr


def test_a_process_of_multiprocessing_may_be_served_by_the_parent_that_forked_it(program) -> None:  # type: ignore[no-untyped-def]
    done = program.run(
        _ECHO
        + """
    import multiprocessing
    fork = multiprocessing.get_context("fork")

    def call(address):
        async def main():
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"child")
            assert await reader.readexactly(5) == b"child"
            writer.close()
            await writer.wait_closed()
        accepted.clear()
        gc.collect()
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())

    class Answer(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
        def data_received(self, data):
            self.transport.write(data)

    async def main():
        await connect()
        loop = asyncio.get_running_loop()
        answering = await loop.create_server(Answer, "127.0.0.1", 0)
        process = fork.Process(target=call, args=(answering.sockets[0].getsockname(),))
        process.start()
        await loop.run_in_executor(None, process.join)
        assert process.exitcode == 0, process.exitcode
        await echo(b"parent")
        await end()
        answering.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
    print("fine")
    """
    )
    assert done.stdout == "fine\n", done.stderr
