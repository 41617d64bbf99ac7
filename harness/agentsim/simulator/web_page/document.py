"""A page as one document: markup, style and script in it, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files


def make_document(package: str) -> tuple[bytes, list[tuple[str, str]]]:
    """The document of a page, and the headers that it is sent with.

    Args:
        package: where its `page.html` and `page.js` lie; all pages have one style.
    """
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    script = files(package).joinpath("page.js").read_text("utf-8")
    text = files(package).joinpath("page.html").read_text("utf-8")
    text = text.replace("@STYLE@", style).replace("@SCRIPT@", script)
    policy = (
        "default-src 'none'"
        f"; script-src {_hash(script)}"
        f"; style-src {_hash(style)}"
        "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
        "; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
    document = text.encode()
    return document, [
        ("Content-Length", str(len(document))),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
