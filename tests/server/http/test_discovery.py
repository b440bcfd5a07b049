"""Protected-resource metadata (RFC 9728): a host of MCP finds where its user can log in."""

from __future__ import annotations

from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import Server, serving

ISSUER = "https://id.example.com"
METADATA = "/.well-known/oauth-protected-resource"


@exhaustive
def test_the_challenge_leads_to_the_issuer(environ: Environ) -> None:
    environ |= {"ATELIER_JWKS_URL": "http://127.0.0.1:9/keys", "ATELIER_JWT_ISSUER": ISSUER}
    with serving(environ) as server:
        for path, suffix in (("/mcp", "/mcp"), ("/image/generate", "")):
            refused = httpx.post(f"{server.url}{path}", json={}, trust_env=False)
            place = f"{server.url}{METADATA}{suffix}"
            assert (refused.status_code, refused.headers["www-authenticate"]) == (
                401,
                f'Bearer resource_metadata="{place}"',
            )
            found = httpx.get(place, trust_env=False).json()
            assert (found["resource"], found["authorization_servers"]) == (server.url + suffix, [ISSUER])
        headers = {"Authorization": "Bearer nonsense"}
        refused = httpx.post(f"{server.url}/mcp", json={}, headers=headers, trust_env=False)
        assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token", resource_metadata="http')


def test_tokens_of_a_shared_secret_come_from_nowhere_that_is_named(server: Server) -> None:
    refused = httpx.post(f"{server.url}/mcp", json={}, trust_env=False)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert httpx.get(f"{server.url}{METADATA}/mcp", trust_env=False).status_code == 404
