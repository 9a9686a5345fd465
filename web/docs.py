"""The description of the interface as one page of HTML, which needs nothing from elsewhere."""

import html
from collections.abc import Mapping
from typing import Any

import msgspec

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code,pre{font:13px ui-monospace,monospace}pre{overflow:auto}"
    "summary{cursor:pointer;padding:.4rem 0}b{display:inline-block;width:4.5rem}"
)
_INTRODUCTION = (
    "<p>Show the token in <code>web/token</code> of the state folder, or the one in"
    " <code>web/read-token</code>, which may only read:"
    " <code>Authorization: Bearer TOKEN</code>. The whole description for programs:"
    ' <a href="/openapi.json">openapi.json</a>.</p>'
)


def page(described: Mapping[str, Any]) -> str:
    """The page that shows an OpenAPI document."""
    parts = [
        f"<details><summary><b>{method.upper()}</b><code>{html.escape(path)}</code>"
        f" {html.escape(operation['summary'])}</summary>{_details(operation)}</details>"
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>polybracket: the interface</title><style>{_STYLE}</style>"
        f"<h1>The interface</h1>{_INTRODUCTION}{''.join(parts)}</html>"
    )


def _details(operation: Mapping[str, Any]) -> str:
    shown = {
        "parameters": [
            f"{p['name']} ({p['in']}): {p['description']}" for p in operation["parameters"]
        ],
        **({"body": _body(operation)} if "requestBody" in operation else {}),
    }
    text = msgspec.json.format(msgspec.json.encode(shown)).decode()
    return f"<pre>{html.escape(text)}</pre>"


def _body(operation: Mapping[str, Any]) -> dict[str, str]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return {name: field.get("description", "") for name, field in schema["properties"].items()}
