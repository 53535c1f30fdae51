"""Mail over a connection that becomes a secret half-way: a small SMTP server with STARTTLS.

It is visited by the standard library's `smtplib`, which knows nothing of event loops, in threads,
and by clients of our own on the loop. Nobody can log in before the connection is encrypted.
"""

import asyncio
import base64
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path

CERTS = Path(__file__).parent / "certs"
PASSWORDS = {"alice": "wonderland", "bob": "builder"}


class MailServer:
    """Receives mail from those who log in, and keeps it by sender."""

    def __init__(self) -> None:
        self.mail: dict[str, list[str]] = {}
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(CERTS / "localhost.pem")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it says QUIT or is gone."""
        try:
            await self._converse(reader, writer)
        except OSError:
            pass  # The client did not like our certificate, or left without a goodbye.
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user = ""
        writer.write(b"220 localhost ready\r\n")
        while line := await reader.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            is_secret = writer.get_extra_info("sslcontext") is not None
            match verb.upper():
                case "EHLO":
                    offer = "AUTH PLAIN" if is_secret else "STARTTLS"
                    answer = f"250-localhost\r\n250 {offer}"
                case "STARTTLS" if not is_secret:
                    writer.write(b"220 go ahead\r\n")
                    await writer.start_tls(self._tls)
                    continue
                case "AUTH" if not is_secret:
                    answer = "538 encryption required"
                case "AUTH":
                    _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                    user = name if PASSWORDS.get(name) == password else ""
                    answer = "235 welcome" if user else "535 not you"
                case "MAIL" | "RCPT" | "DATA" if not user:
                    answer = "530 log in first"
                case "DATA":
                    writer.write(b"354 end with a dot\r\n")
                    self.mail.setdefault(user, []).append(await read_text(reader))
                    answer = "250 kept"
                case "MAIL" | "RCPT" | "RSET" | "NOOP":
                    answer = "250 ok"
                case "QUIT":
                    answer = "221 bye"
                case _:
                    answer = "502 what?"
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            if verb.upper() == "QUIT":
                break


async def read_text(reader: asyncio.StreamReader) -> str:
    """Read a message up to the line that is a dot alone."""
    lines = []
    while (line := await reader.readline()) != b".\r\n":
        lines.append(line.decode().removeprefix("."))
    return "".join(lines)


def send_by_smtplib(port: int, tls: ssl.SSLContext) -> list[str]:
    """Be refused, encrypt, log in, send ten messages; block until done and tell what happened."""
    told = []
    with smtplib.SMTP("127.0.0.1", port, "client.example.org") as smtp:
        smtp.ehlo()
        told.append(f"offers {sorted(smtp.esmtp_features)}")
        told.append(f"AUTH too early: {smtp.docmd('AUTH', 'PLAIN AGJvYgBidWlsZGVy')[0]}")
        smtp.starttls(context=tls)
        smtp.ehlo()
        told.append(f"offers {sorted(smtp.esmtp_features)} over {smtp.sock.version()}")
        try:
            smtp.login("bob", "guess")
        except smtplib.SMTPAuthenticationError as error:
            told.append(f"wrong password: {error.smtp_code}")
        smtp.login("bob", "builder")
        for number in range(10):
            message = EmailMessage()
            message["From"], message["To"] = "bob@example.org", "alice@example.org"
            message["Subject"] = f"brick {number}"
            message.set_content(".one line\n" * 5000)
            refused = smtp.send_message(message)
            assert not refused
    return told


async def command(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], line: str) -> str:
    """Send one command, and return the last line of the answer."""
    reader, writer = streams
    writer.write(f"{line}\r\n".encode())
    while (answer := (await reader.readline()).decode().rstrip())[3:4] == "-":
        pass
    return answer


async def send_by_streams(port: int, tls: ssl.SSLContext, number: int) -> list[str]:
    """Do what smtplib does, by hand; return the answers."""
    streams = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = streams
    answers = [(await reader.readline()).decode().rstrip()]
    answers.append(await command(streams, "EHLO client.example.org"))
    answers.append(await command(streams, "STARTTLS"))
    await writer.start_tls(tls, server_hostname="localhost")
    answers.append(await command(streams, "EHLO client.example.org"))
    secret = base64.b64encode(b"\0alice\0wonderland").decode()
    for line in (f"AUTH PLAIN {secret}", "MAIL FROM:<alice>", "RCPT TO:<bob>", "DATA"):
        answers.append(await command(streams, line))
    lines = [f"tea at {number}", "..", *["x" * 900] * 100, "."]
    answers.append(await command(streams, "\r\n".join(lines)))
    answers.append(await command(streams, "QUIT"))
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return answers


async def distrust(port: int) -> None:
    """Ask for TLS, and do not like the certificate."""
    tls = ssl.create_default_context(cafile=str(CERTS / "mallory.pem"))
    streams = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = streams
    await reader.readline()
    await command(streams, "STARTTLS")
    try:
        await writer.start_tls(tls, server_hostname="localhost")
    except ssl.SSLCertVerificationError as error:
        print(f"distrust: {error.reason}")
    writer.close()
    # The server is well, and serves the next.
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    print(f"afterwards: {(await reader.readline()).decode().rstrip()}")
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    """Receive mail from all of them at once."""
    tls = ssl.create_default_context(cafile=str(CERTS / "authority.pem"))
    mail_server = MailServer()
    server = await asyncio.start_server(mail_server.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        told, *others = await asyncio.gather(
            asyncio.to_thread(send_by_smtplib, port, tls),
            *(send_by_streams(port, tls, number) for number in range(10)),
        )
        print("\n".join(told))
        print("\n".join(others[0]))
        print(f"all clients were told the same: {others.count(others[0]) == len(others)}")
        await distrust(port)
    for user, messages in sorted(mail_server.mail.items()):
        lines = sum(message.count("\r\n") for message in messages)
        print(f"{user}: {len(messages)} messages, {lines} lines, {sum(map(len, messages))} bytes")


asyncio.run(main())
