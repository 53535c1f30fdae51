"""Names looked up over UDP: a small DNS server and its clients, with all that datagrams ask for.

Datagrams get lost, so the client asks again; a long answer does not fit, so it is fetched over TCP;
rubbish arrives, and is answered politely; and where no server is, the kernel says so.
"""

import asyncio
import struct
from collections import Counter
from ipaddress import IPv4Address

A, TXT = 1, 16
NOERROR, FORMERR, NXDOMAIN = 0, 1, 3
RCODES = {NOERROR: "NOERROR", FORMERR: "FORMERR", NXDOMAIN: "NXDOMAIN"}
# The bits of a header's second field.
RESPONSE, AUTHORITATIVE, TRUNCATED = 0x8000, 0x0400, 0x0200

UDP_SIZE_MAX = 512
PATIENCE_S = 0.3
ATTEMPTS_MAX = 20

Address = tuple[str, int]
Key = tuple[str, int]
ZONE: dict[Key, list[bytes]] = {
    ("www.example.org", A): [IPv4Address("192.0.2.1").packed, IPv4Address("192.0.2.2").packed],
    ("long.example.org", TXT): [bytes([200]) + bytes([65 + n]) * 200 for n in range(20)],
    ("shy.example.org", A): [IPv4Address("192.0.2.99").packed],
}
for number in range(1000):
    ZONE[f"host{number}.example.org", A] = [IPv4Address(0x0A000000 + number).packed]


def question(ident: int, name: str, kind: int) -> bytes:
    """Make a query for records of `kind`."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", ident, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def asked(message: bytes) -> tuple[Key, int]:
    """Return the question of a message, and where it ends. Raises an error if there is none."""
    at, parts = 12, []
    while size := message[at]:
        parts.append(message[at + 1 : at + 1 + size].decode())
        at += 1 + size
    (kind,) = struct.unpack_from("!H", message, at + 1)
    return (".".join(parts).lower(), kind), at + 5


def answer(message: bytes, size_max: int) -> bytes:
    """Make the answer to a query, of not more than `size_max` bytes. Raises an error for rubbish."""
    key, end = asked(message)
    records = ZONE.get(key, [])
    flags = RESPONSE | AUTHORITATIVE | (NOERROR if records else NXDOMAIN)
    # 0xC00C points back to the name of the question.
    body = b"".join(
        struct.pack("!3HLH", 0xC00C, key[1], 1, 60, len(data)) + data for data in records
    )
    if end + len(body) > size_max:
        flags, records, body = flags | TRUNCATED, [], b""
    header = struct.pack("!2s5H", message[:2], flags, 1, len(records), 0, 0)
    return header + message[12:end] + body


def records_of(message: bytes) -> tuple[str, list[bytes]]:
    """Return the status of an answer, and its records."""
    _, flags, _, count, _, _ = struct.unpack_from("!6H", message)
    if flags & 0xF == FORMERR:
        return "FORMERR", []
    _, at = asked(message)
    records = []
    for _ in range(count):
        (size,) = struct.unpack_from("!H", message, at + 10)
        records.append(message[at + 12 : at + 12 + size])
        at += 12 + size
    return "TRUNCATED" if flags & TRUNCATED else RCODES[flags & 0xF], records


class Server(asyncio.DatagramProtocol):
    """Answers from ZONE; it overhears the first question for a name that is shy."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        try:
            key, _ = asked(data)
            self.seen[key[0]] += 1
            if key[0].startswith("shy") and self.seen[key[0]] == 1:
                return
            self.transport.sendto(answer(data, UDP_SIZE_MAX), addr)
        except (IndexError, ValueError, struct.error):
            header = struct.pack("!2s5H", data[:2], RESPONSE | FORMERR, 0, 0, 0, 0)
            self.transport.sendto(header, addr)

    async def serve_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer over TCP, where each message has its length before it."""
        while size := await reader.read(2):
            message = answer(await reader.readexactly(int.from_bytes(size)), 65_535)
            writer.write(len(message).to_bytes(2) + message)
            await writer.drain()
        writer.close()
        await writer.wait_closed()


class Resolver(asyncio.DatagramProtocol):
    """Asks one server, any number of questions at once."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._next_ident = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        # An answer to a question that was asked twice may come twice.
        if future := self._waiting.pop(int.from_bytes(data[:2]), None):
            future.set_result(data)

    def error_received(self, exc: OSError) -> None:
        while self._waiting:
            self._waiting.popitem()[1].set_exception(exc)

    async def look_up(self, name: str, kind: int) -> tuple[str, list[bytes]]:
        """Return the status and the records of `name`. Raises TimeoutError, or what the kernel says."""
        self._next_ident += 1
        status, records = records_of(await self.ask(question(self._next_ident, name, kind)))
        if status == "TRUNCATED":
            print(f"{name}: truncated, asking over TCP")
            return await self._look_up_by_stream(name, kind)
        return status, records

    async def ask(self, message: bytes) -> bytes:
        """Send a message until it is answered."""
        for _ in range(ATTEMPTS_MAX):
            future = asyncio.get_running_loop().create_future()
            self._waiting[int.from_bytes(message[:2])] = future
            self.transport.sendto(message)
            try:
                return await asyncio.wait_for(future, PATIENCE_S)
            except TimeoutError:
                self._waiting.pop(int.from_bytes(message[:2]), None)
        raise TimeoutError("nobody answers")

    async def _look_up_by_stream(self, name: str, kind: int) -> tuple[str, list[bytes]]:
        host, port = self.transport.get_extra_info("peername")
        reader, writer = await asyncio.open_connection(host, port)
        message = question(0, name, kind)
        writer.write(len(message).to_bytes(2) + message)
        size = int.from_bytes(await reader.readexactly(2))
        records = records_of(await reader.readexactly(size))
        writer.close()
        await writer.wait_closed()
        return records


async def visit(resolver: Resolver, server: Server) -> None:
    """Ask for this and that, then for a thousand names at once."""
    for name, kind in (("www.example.org", A), ("WWW.Example.ORG", A), ("nowhere.org", A)):
        status, records = await resolver.look_up(name, kind)
        print(f"{name}: {status} {[str(IPv4Address(record)) for record in records]}")
    status, records = await resolver.look_up("long.example.org", TXT)
    print(f"long.example.org: {status} {len(records)} texts of {sum(map(len, records))} bytes")
    status, records = await resolver.look_up("shy.example.org", A)
    asked_again = server.seen["shy.example.org"] > 1
    print(f"shy.example.org: {status} {IPv4Address(records[0])}, asked again: {asked_again}")
    for rubbish in (b"\x7f\x01", b"\x7f\x02" + bytes(9), b"\x7f\x03" + b"\xff" * 100):
        print(f"rubbish: {records_of(await resolver.ask(rubbish))[0]}")

    names = [f"host{number}.example.org" for number in range(1000)]
    answers = await asyncio.gather(*(resolver.look_up(name, A) for name in names))
    right = [records == ZONE[name, A] for name, (_, records) in zip(names, answers, strict=True)]
    print(f"{sum(right)} of {len(names)} right")


async def main() -> None:
    """Serve UDP and TCP on the same free port, and ask; then ask where nobody is."""
    loop = asyncio.get_running_loop()
    server = Server()
    tcp = await asyncio.start_server(server.serve_stream, "127.0.0.1", 0)
    address = tcp.sockets[0].getsockname()
    udp, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=address)
    client, resolver = await loop.create_datagram_endpoint(Resolver, remote_addr=address)
    await visit(resolver, server)
    udp.close()
    tcp.close()
    await tcp.wait_closed()
    # A turn of the loop, in which the socket of `udp` is closed.
    await asyncio.sleep(0)
    try:
        await resolver.look_up("www.example.org", A)
    except ConnectionRefusedError as error:
        print(f"after closing time: {type(error).__name__}, still open: {not client.is_closing()}")
    client.close()


asyncio.run(main())
