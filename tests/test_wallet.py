"""The wallet's keys: where they come from, what is refused, and that they are never shown."""

from pathlib import Path

import pytest

from positions.operations.wallet import WalletError, environment, wallet

GOOD = {
    "POLYMARKET_PK": "0x" + "1f" * 32,
    "POLYMARKET_FUNDER": "0x" + "aB" * 20,
    "POLYMARKET_API_KEY": "the-api-key",
    "POLYMARKET_API_SECRET": "the-api-secret",
    "POLYMARKET_PASSPHRASE": "the-passphrase",
}


def test_a_wallet_never_shows_its_secrets() -> None:
    made = wallet(GOOD)
    shown = f"{made} {made!r} {[made]} {made.__dict__ if hasattr(made, '__dict__') else ''}"
    for secret in made.secrets:
        assert secret not in shown
    assert GOOD["POLYMARKET_FUNDER"] in shown


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(WalletError, match=f"{name} not set"):
        wallet({k: v for k, v in GOOD.items() if k != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLYMARKET_PK", "0x" + "1f" * 31),
        ("POLYMARKET_PK", "zz" * 32),
        ("POLYMARKET_FUNDER", "ab" * 20),
        ("POLYMARKET_FUNDER", "0x" + "ab" * 19),
    ],
)
def test_what_is_malformed_is_named_but_not_shown(name: str, value: str) -> None:
    with pytest.raises(WalletError, match=f"{name} is not a") as e:
        wallet(GOOD | {name: value})
    assert value not in str(e.value)


@pytest.mark.parametrize("key", ["00" * 32, "0x" + "ff" * 32])
def test_a_key_that_no_signature_can_be_made_with_is_refused(key: str) -> None:
    with pytest.raises(WalletError, match="POLYMARKET_PK cannot sign") as e:
        wallet(GOOD | {"POLYMARKET_PK": key})
    assert key not in str(e.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"A=1\nmy secret words\n", "line 2 is not NAME=VALUE"), (b"\xff\xfe", "is not text")],
)
def test_a_dotenv_that_is_no_list_of_variables_is_told_in_one_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(WalletError, match=said) as e:
        environment(tmp_path)
    assert str(e.value).startswith(str(file))
    assert "secret" not in str(e.value)


def test_a_key_is_taken_with_and_without_its_prefix() -> None:
    bare = wallet(GOOD | {"POLYMARKET_PK": "1f" * 32})
    assert bare == wallet(GOOD)


def test_the_credentials_may_be_missing_where_they_are_to_be_made() -> None:
    values = {k: GOOD[k] for k in ("POLYMARKET_PK", "POLYMARKET_FUNDER")}
    assert wallet(values, needs_api=False).api_key == ""
    with pytest.raises(WalletError, match="polybracket credentials"):
        wallet(values)


def test_a_dotenv_of_its_owner_alone_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("POLYMARKET_PK=from-file\nPOLYMARKET_FUNDER=from-file\n")
    file.chmod(0o644)
    with pytest.raises(WalletError, match="chmod 600"):
        environment(tmp_path)
    file.chmod(0o600)
    monkeypatch.setenv("POLYMARKET_PK", "from-environment")
    monkeypatch.delenv("POLYMARKET_FUNDER", raising=False)
    values = environment(tmp_path)
    assert values["POLYMARKET_PK"] == "from-environment"
    assert values["POLYMARKET_FUNDER"] == "from-file"
