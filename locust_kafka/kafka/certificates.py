"""Why a broker's certificate is not accepted, asked once more: the load tester's copy.

librdkafka has one text for every certificate that it does not accept.  A handshake by Python's own TLS tells apart what
has expired, is of an authority that is not trusted, or of another host.  Nothing is sent over it, and no key is used.
The load tester and the waiter share no code, so each has this module; a contract test holds the two copies equal.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .causes import CERTIFICATE, BrokerError

HANDSHAKE_S = 2.0
_REFUSED = re.compile(r"(?:\w+://)?(?P<host>\[[^\]]+\]|[^\s:/]+):(?P<port>\d+)/\S+: .*certificate verify failed")


def certificate_errors(errors: Sequence[BrokerError], config: Mapping[str, Any]) -> list[BrokerError]:
    """The errors, with the reason in front where a broker's certificate was not accepted.  Blocks for 2 s at most.

    Args:
        errors: what librdkafka said.
        config: its settings, of which the authorities and the check of the host's name are used.
    """
    refused = next((found for one in errors if (found := _REFUSED.search(one.text))), None)
    if refused is None:
        return list(errors)
    at = f"{refused['host']}:{refused['port']}"
    reason = _reason(refused["host"].strip("[]"), int(refused["port"]), config)
    named = [BrokerError(CERTIFICATE, f"{at}/bootstrap: {reason}")] if reason else []
    return [*named, *errors]


def _reason(host: str, port: int, config: Mapping[str, Any]) -> str:
    """What Python's TLS says of the certificate; "" when it says nothing."""
    try:
        context = _context(config)
        with (
            socket.create_connection((host, port), HANDSHAKE_S) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as refused:
        return str(refused.verify_message)
    except (OSError, ValueError):  # ValueError: authorities that cannot be read; librdkafka has read them
        return ""


def _context(config: Mapping[str, Any]) -> ssl.SSLContext:
    place, text = str(config.get("ssl.ca.location", "")), config.get("ssl.ca.pem")
    folder = bool(place) and Path(place).is_dir()
    context = ssl.create_default_context(
        cafile=place if place and place != "probe" and not folder else None,
        capath=place if folder else None,
        cadata=str(text) if text else None,
    )
    if str(config.get("ssl.endpoint.identification.algorithm", "https")).lower() == "none":
        context.check_hostname = False
    return context
