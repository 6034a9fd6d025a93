"""OAuth for the tests: RSA keys, JSON Web Tokens and a token endpoint, each as real as the standards make them."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CLIENT_ID, CLIENT_SECRET = "load-tester", "cl1ent-s3cret"
ISSUER, AUDIENCE = "https://issuer.example", "kafka"
LIFE_S = 300.0


class Signer:
    """A key pair that signs tokens (RFC 7519, RS256), and its public half as a JWKS file (RFC 7517).

    Args:
        folder: where the files go.
        name: of the key, and of its files.
    """

    def __init__(self, folder: Path, name: str = "signer") -> None:
        self._key, self.jwks = folder / f"{name}.key", folder / f"{name}.jwks"
        _openssl("genrsa", "-out", str(self._key), "2048")
        modulus = _openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode().strip().partition("=")[2]
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": name,
            "e": "AQAB",
            "n": _url64(bytes.fromhex(modulus)),
        }
        self.jwks.write_text(json.dumps({"keys": [key]}))
        self._name = name

    def token(self, subject: str, life_s: float = LIFE_S, **claims: Any) -> str:
        """A signed token for a principal.

        Args:
            subject: whose.
            life_s: how long it is good; negative for one that has expired.
            claims: over the usual ones.
        """
        now = time.time()
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": int(now) - 1, "exp": int(now + life_s), **claims}
        head = {"alg": "RS256", "typ": "JWT", "kid": self._name}
        text = ".".join(_url64(json.dumps(part).encode()) for part in (head, said))
        return f"{text}.{_url64(_openssl('dgst', '-sha256', '-sign', str(self._key), given=text.encode()))}"


class TokenEndpoint:
    """A token endpoint (RFC 6749, client credentials) on a free port of 127.0.0.1; a context manager.

    Args:
        signer: of the tokens that it gives.
        subject: whose they are.
    """

    def __init__(self, signer: Signer, subject: str) -> None:
        self.asked = 0
        """How many requests came."""
        self.given: list[str] = []
        """The tokens that it gave."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.asked += 1
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                scheme, _, text = self.headers.get("Authorization", "").partition(" ")
                name, _, secret = base64.b64decode(text).decode().partition(":") if scheme == "Basic" else ("", "", "")
                good = (name, secret) == (CLIENT_ID, CLIENT_SECRET) and form["grant_type"] == ["client_credentials"]
                answer: dict[str, Any] = {"error": "invalid_client"}
                if good:
                    endpoint.given.append(signer.token(subject))
                    answer = {"access_token": endpoint.given[-1], "token_type": "Bearer", "expires_in": LIFE_S}
                body = json.dumps(answer).encode()
                self.send_response(200 if good else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
