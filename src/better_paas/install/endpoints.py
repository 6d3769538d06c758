"""Where the client is fetched from, and what an agent reads first."""

from pathlib import Path

from fastapi import Request
from fastapi.responses import PlainTextResponse, Response

from better_paas.access.guard import api_router, platform_of
from better_paas.access.own_address import HEADERS, own_url
from better_paas.errors import NotFound
from better_paas.install.wheel import FILE, client_wheel

router = api_router("Install")
_INSTALLER = Path(__file__).with_name("installer.py")
_FOR_AGENTS = Path(__file__).with_name("llms.txt")


@router.get("/install/paas", response_class=PlainTextResponse)
async def install_paas(request: Request) -> PlainTextResponse:
    """A Python program that installs the paas command: `curl -fsSL …/install/paas | python3 -`."""
    own = own_url(platform_of(request), request)
    text = _INSTALLER.read_text().replace("@WHEEL@", f"{own}/install/{FILE}").replace("@SERVER@", own)
    return PlainTextResponse(text, headers=HEADERS)


@router.get("/install/{file}", response_class=Response)
async def install_file(file: str) -> Response:
    """The client as a wheel, for uv, pipx and pip."""
    if file != FILE:
        raise NotFound("There is no such file", f"The client is /install/{FILE}.")
    return Response(client_wheel(), media_type="application/octet-stream", headers={"Cache-Control": "no-cache"})


@router.get("/llms.txt", response_class=PlainTextResponse)
async def llms(request: Request) -> PlainTextResponse:
    """What an AI agent should know before it uses this server."""
    own = own_url(platform_of(request), request)
    return PlainTextResponse(_FOR_AGENTS.read_text().replace("@SERVER@", own).replace("@WHEEL@", FILE), headers=HEADERS)
