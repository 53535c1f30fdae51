"""A Quart app served by hypercorn inside this loop, with a blueprint that asks a second service.

Three processes take part: the planets' service (services/planets.py), this app, and a visitor
that asks the app.
"""

import asyncio
import socket

import aiohttp
import hypercorn.asyncio
import hypercorn.config
import quart
from services import running, visit

blueprint = quart.Blueprint("planets", __name__, url_prefix="/api")


async def fetch_planet(api: str, n: int) -> dict[str, str]:
    """Ask the planets' service at `api` for planet `n`."""
    async with aiohttp.ClientSession() as session, session.get(f"{api}/planets/{n}") as response:
        response.raise_for_status()
        planet: dict[str, str] = await response.json()
        return planet


@blueprint.route("/planet/<int:n>", methods=["GET"])
async def planet(n: int) -> quart.Response:
    """Answer with what the other service knows about planet `n`."""
    return quart.jsonify(await fetch_planet(quart.current_app.config["PLANETS_API"], n))


@blueprint.route("/planets", methods=["GET"])
async def planets() -> quart.Response:
    """Ask for three planets at once and answer with all of them."""
    api = quart.current_app.config["PLANETS_API"]
    return quart.jsonify(await asyncio.gather(*(fetch_planet(api, n) for n in (1, 2, 3))))


@blueprint.errorhandler(aiohttp.ClientResponseError)
async def not_found(error: aiohttp.ClientResponseError) -> tuple[str, int]:
    """Pass the other service's refusal on."""
    return f"the planets' service said {error.status}", 502


def create_app(planets_api: str) -> quart.Quart:
    """Make the app, which finds the planets' service at `planets_api`."""
    app = quart.Quart("planets")
    app.config["PLANETS_API"] = planets_api
    app.register_blueprint(blueprint)

    @app.route("/")
    def index() -> str:
        # A plain function: Quart runs it in the loop's executor.
        return "planets of a galaxy far away"

    @app.before_serving
    async def opened() -> None:
        print("the app is open")

    @app.after_serving
    async def closed() -> None:
        print("the app is closed")

    return app


async def main(planets_api: str) -> None:
    """Serve the app on a free port until the visitor has seen everything."""
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = hypercorn.config.Config()
    # The socket is listening already: who comes early waits in its backlog.
    config.bind = [f"fd://{listener.detach()}"]
    leave = asyncio.Event()
    serving = asyncio.create_task(
        hypercorn.asyncio.serve(create_app(planets_api), config, shutdown_trigger=leave.wait)
    )
    paths = ("/", "/api/planet/1", "/api/planets", "/api/planet/99", "/nowhere")
    for answer in await asyncio.to_thread(visit, [base + path for path in paths]):
        print(answer.status, answer.text.strip().splitlines()[-1])
    leave.set()
    await serving


with running("planets.py") as planets_api:
    asyncio.run(main(planets_api))
