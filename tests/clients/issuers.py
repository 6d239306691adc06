"""Issuers of bearer tokens with keys of their own, published on loopback. One rule: both name their key alike."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KID = "key-1"
AUDIENCE = "triskel"


class Issuers:
    """Two issuers, `a` and `b`, that answer for their keys until the end of the context."""

    def __init__(self) -> None:
        self.keys = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("a", "b")}
        self.fetched: list[str] = []
        documents = {f"/{name}/keys": json.dumps({"keys": [_public(key)]}).encode() for name, key in self.keys.items()}
        fetched = self.fetched

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fetched.append(self.path)
                document = documents.get(self.path)
                self.send_response(404 if document is None else 200)
                self.send_header("content-length", str(len(document or b"")))
                self.end_headers()
                self.wfile.write(document or b"")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def name(self, issuer: str) -> str:
        """The `iss` of an issuer."""
        return f"{self._address}/{issuer}"

    def configuration(self, **tenants: str) -> dict[str, Any]:
        """The section `identity` that lets each issuer speak for one tenant."""
        return {
            "issuers": [
                {
                    "issuer": self.name(issuer),
                    "jwks_url": f"{self.name(issuer)}/keys",
                    "audiences": [AUDIENCE],
                    "tenant": tenant,
                    "tier": "enterprise",
                    "leeway_s": 0,
                }
                for issuer, tenant in tenants.items()
            ]
        }

    def token(self, issuer: str, *, signed_by: str | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token of `issuer`, good unless `claims` change that; a claim that is None is left out."""
        now_s = int(time.time())
        good = {"iss": self.name(issuer), "aud": AUDIENCE, "sub": "ana", "iat": now_s - 5, "exp": now_s + 300}
        document = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(document, self.keys[signed_by or issuer], algorithm="RS256", headers={"kid": KID, **(headers or {})})


def _public(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    jwk = jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": KID, "use": "sig", "alg": "RS256"}
