"""OAuth 2.1 for programs that speak it, such as MCP clients: metadata, registration, consent, token, revocation.

It is the same consent and the same tokens as `paas connect`. RFC 8414, 9728, 7591, 7009, 9207.
"""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, Field

from better_paas import policy
from better_paas.access.guard import api_router, platform_of
from better_paas.access.own_address import HEADERS, own_url
from better_paas.agents import endpoints as agent_endpoints
from better_paas.connect import clients
from better_paas.connect.endpoints import redeem
from better_paas.errors import PaasError
from better_paas.kit.clock import now

router = api_router("OAuth")
_NO_STORE = {"Cache-Control": "no-store"}


class Registration(BaseModel):
    """What of a client's description counts (RFC 7591); the rest is ignored."""

    client_name: str = Field("an MCP client", max_length=80)
    redirect_uris: list[str] = Field(max_length=5)


@router.get("/.well-known/oauth-protected-resource")
@router.get("/.well-known/oauth-protected-resource/mcp", include_in_schema=False)
async def protected_resource(request: Request) -> Response:
    """Where a token for /mcp is to be had (RFC 9728)."""
    own = own_url(platform_of(request), request)
    return JSONResponse(
        {
            "resource": f"{own}/mcp",
            "authorization_servers": [own],
            "scopes_supported": list(policy.SCOPES),
            "bearer_methods_supported": ["header"],
            "resource_name": "Better-PaaS",
        },
        headers=HEADERS,
    )


@router.get("/.well-known/oauth-authorization-server")
async def authorization_server(request: Request) -> Response:
    """What this authorization server can do (RFC 8414)."""
    own = own_url(platform_of(request), request)
    return JSONResponse(
        {
            "issuer": own,
            "authorization_endpoint": f"{own}/oauth/authorize",
            "token_endpoint": f"{own}/oauth/token",
            "registration_endpoint": f"{own}/oauth/register",
            "revocation_endpoint": f"{own}/oauth/revoke",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": list(policy.SCOPES),
            "authorization_response_iss_parameter_supported": True,
        },
        headers=HEADERS,
    )


@router.post("/oauth/register", status_code=201)
async def oauth_register(request: Request, body: Registration) -> Response:
    """Registration by the client itself: nothing is stored, so there is nothing to fill up."""
    try:
        client = clients.register(body.client_name, body.redirect_uris, platform_of(request).vault.ring.digest)
    except PaasError as error:
        return _error(error)
    answer = {
        "client_id": client.id,
        "client_name": client.name,
        "redirect_uris": list(client.redirects),
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    return JSONResponse(answer, 201, _NO_STORE)


@router.get("/oauth/authorize")
async def oauth_authorize(request: Request) -> Response:
    """To the page where a person decides; it checks what stands in the address."""
    dashboard = (platform_of(request).settings.paas_ui_url or "").rstrip("/")
    kept = [(name, value) for name, value in request.query_params.multi_items() if len(value) <= 2000]
    return RedirectResponse(f"{dashboard}/connect/agent?{urlencode(kept)}", 303, _NO_STORE)


@router.post("/oauth/token")
async def oauth_token(
    request: Request,
    grant_type: Annotated[str, Form(max_length=60)],
    code: Annotated[str, Form(max_length=200)] = "",
    code_verifier: Annotated[str, Form(max_length=200)] = "",
    client_id: Annotated[str, Form(max_length=2000)] = "",
    redirect_uri: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """The token for a code (RFC 6749, 4.1.3)."""
    if grant_type != "authorization_code":
        return JSONResponse({"error": "unsupported_grant_type"}, 400, _NO_STORE)
    try:
        made = await redeem(request, code, code_verifier, client_id, redirect_uri)
    except PaasError as error:
        return _error(error)
    answer = {"access_token": made.token, "token_type": "Bearer", "scope": " ".join(made.agent.scopes)}
    if made.agent.expires_at is not None:
        lifetime = {"expires_in": int((made.agent.expires_at - now()).total_seconds())}
        return JSONResponse({**answer, **lifetime}, headers=_NO_STORE)
    return JSONResponse(answer, headers=_NO_STORE)


@router.post("/oauth/revoke")
async def oauth_revoke(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """End a token (RFC 7009): whoever has it may."""
    await agent_endpoints.report(request, token)
    return Response(status_code=200)


def _error(error: PaasError) -> Response:
    """In OAuth's own form (RFC 6749, 5.2)."""
    code = error.code if error.code.startswith("invalid_") else "invalid_request"
    return JSONResponse({"error": code, "error_description": error.error}, error.status, _NO_STORE)
