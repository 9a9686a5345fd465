"""How people name a market."""

from urllib.parse import urlsplit


def market_name(text: str) -> str:
    """The slug or condition id that a text names; of a polymarket.com address, its last slug."""
    name = text.strip()
    if "polymarket.com/" not in name:
        return name
    try:
        address = urlsplit(name if "://" in name else f"https://{name}")
    except ValueError:  # no address, and no market's name either
        return name
    return address.path.rstrip("/").rpartition("/")[2]
