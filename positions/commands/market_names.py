"""How people name a market."""

from urllib.parse import urlsplit


def market_name(text: str) -> str:
    """The slug or condition id that a text names; of a polymarket.com address, its last slug."""
    name = text.strip()
    if "polymarket.com/" in name:
        address = urlsplit(name if "://" in name else f"https://{name}")
        name = address.path.rstrip("/").rpartition("/")[2]
    return name
