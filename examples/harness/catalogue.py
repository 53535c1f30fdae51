"""The list of the examples: what each shows, what it needs, and what it must print."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent


@dataclass(frozen=True)
class Example:
    """One program of this folder."""

    name: str
    # Modules from outside the standard library; without them the program cannot run.
    needs: tuple[str, ...] = ()
    # What follows the program's name on its command line.
    arguments: tuple[str, ...] = ()

    @property
    def program(self) -> Path:
        """The file to run."""
        return FOLDER / f"{self.name}.py"

    @property
    def expected(self) -> str:
        """What the program prints, on any loop. Raises FileNotFoundError if that is not stored."""
        return (FOLDER / "expected" / f"{self.name}.txt").read_text()


EXAMPLES = (
    Example("hello_world"),
    Example("hello_run_until_complete"),
    Example("hello_run_forever"),
    Example("hello_ctrl_c"),
    Example("tasks_1_await_coroutine"),
    Example("tasks_2_not_awaited"),
    Example("tasks_3_await_task"),
    Example("tasks_4_outlived"),
    Example("tasks_5_both_started"),
    Example("tasks_6_one_after_the_other"),
    Example("gather_endless_loops"),
    Example("chained_routines", arguments=("1", "2", "3")),
    Example("producer_consumer_sync"),
    Example("producer_consumer_async"),
    Example("queue_join"),
    Example("async_wrap"),
    Example("force_async_pi"),
    Example("async_iteration"),
    Example("awaitable_objects"),
    Example("http_as_completed", needs=("aiohttp",)),
    Example("http_server", needs=("aiohttp",)),
    Example("https_client_certificates", needs=("aiohttp",)),
    Example("websocket_echo", needs=("aiohttp",)),
    Example("quart_planets", needs=("aiohttp", "hypercorn", "quart")),
    Example("aiofile_read_write", needs=("aiofile",)),
    Example("smtp_starttls"),
    Example("dns_service"),
    Example("pip_storm", needs=("pip",)),
)
