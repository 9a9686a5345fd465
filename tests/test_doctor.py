"""What the doctor says of a machine, a clock and a wallet."""

from pathlib import Path

import pytest

from positions.operations.doctor import (
    Check,
    Level,
    check_alarms,
    check_disk,
    check_folder,
    check_node,
    check_packages,
    check_python,
)
from positions.storage.locks import StateLock
from venues.polymarket.doctor import check_allowances, check_clock, check_signature_type

OWN, OTHER = "0x" + "aB" * 20, "0x" + "cd" * 20
EXCHANGE = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK = "0xe2222d279d744050d28e00520010520000310F59"
ADAPTER = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
RETIRED = "0xd91E80cF2E7be2e162c6513ceD06f1dD0dA35296"
ALL = str(2**256 - 1)


def told(ahead: float, delay: float = 0.02) -> list[tuple[float, int, float]]:
    """A clock so many seconds ahead asks a few times, an answer taking `delay` seconds."""
    true = [1_776_000_000.1 + 0.17 * n for n in range(6)]
    return [(t + ahead, int(t + delay / 2), t + ahead + delay) for t in true]


# fmt: off
SAID: dict[str, tuple[Check, Level, str]] = {
    "a Python that is too old": (check_python((3, 11)), Level.FAILED, "make setup"),
    "a Python that is too new": (check_python((3, 14)), Level.FAILED, "make setup"),
    "a Python that fits": (check_python((3, 12)), Level.OK, "3.12"),
    "a package that is missing": (check_packages(["no-such-package>=1"], {}), Level.FAILED, "no-such-package is missing"),
    "a package that is too old": (check_packages(["msgspec==99"], {}), Level.FAILED, "needs ==99"),
    "a package of the tests is not needed": (check_packages(['nothing; extra == "dev"'], {}), Level.OK, "as tested"),
    "a package other than tested": (check_packages(["msgspec>=0.1"], {"msgspec": "0.1"}), Level.WARNING, "tested with 0.1"),
    "a full disk": (check_disk(10**6), Level.FAILED, "make room"),
    "a disk that fills": (check_disk(10**9), Level.WARNING, "1.0 GB"),
    "a disk with room": (check_disk(10**10), Level.OK, "10.0 GB"),
    "nobody is called": (check_alarms(()), Level.WARNING, "nobody is called"),
    "who would be called cannot be": (check_alarms(("no-such-program", "-x")), Level.FAILED, "no-such-program cannot be run"),
    "a clock that agrees": (check_clock(told(0)), Level.OK, "agrees"),
    "a clock a little ahead": (check_clock(told(0.4)), Level.OK, ""),
    "a clock ahead": (check_clock(told(2)), Level.WARNING, "ahead of the venue's"),
    "a clock behind": (check_clock(told(-2)), Level.WARNING, "behind the venue's"),
    "a clock far ahead": (check_clock(told(60)), Level.FAILED, "60.0 s ahead"),
    "a clock far behind": (check_clock(told(-60)), Level.FAILED, "behind"),
    "a slow answer says nothing against a clock": (check_clock(told(0, delay=3)), Level.OK, "agrees"),
    "a wallet of one's own": (check_signature_type(0, OWN, OWN.lower()), Level.OK, "is the key's own"),
    "a wallet of one's own funded by another": (check_signature_type(0, OWN, OTHER), Level.FAILED, f"set POLYMARKET_FUNDER to {OWN}"),
    "a proxy that is the key itself": (check_signature_type(2, OWN, OWN), Level.FAILED, "signature_type = 0"),
    "a deposit wallet": (check_signature_type(3, OWN, OTHER), Level.OK, "is not the key's own"),
    "no contract may take money": (check_allowances("buy", {EXCHANGE: "0", NEG_RISK: "0"}, 1), Level.FAILED, "nothing can be bought"),
    "the exchange may not take shares": (check_allowances("sell", {NEG_RISK: ALL}, 1), Level.FAILED, "NO STOP"),
    "the exchange may take less than there is": (check_allowances("buy", {EXCHANGE: "999", NEG_RISK: ALL}, 1000), Level.WARNING, "only 0.000999 of 0.001 USDC"),
    "the exchange of exclusive markets may not": (check_allowances("buy", {EXCHANGE: ALL, NEG_RISK: "0"}, 1), Level.WARNING, NEG_RISK.lower()),
    "the adapter in force may not": (check_allowances("buy", {EXCHANGE: ALL, NEG_RISK: ALL, ADAPTER: "0"}, 1), Level.WARNING, ADAPTER.lower()),
    "only the retired adapter may not": (check_allowances("buy", {EXCHANGE: ALL, NEG_RISK: ALL, RETIRED: "0"}, 1), Level.OK, "retired"),
    "all may, however their addresses are spelt": (check_allowances("buy", {EXCHANGE.lower(): ALL, NEG_RISK.upper(): ALL}, 1), Level.OK, "every contract in force"),
}
# fmt: on


@pytest.mark.parametrize("name", SAID)
def test_it_is_told_in_one_line_with_what_to_do(name: str) -> None:
    check, level, said = SAID[name]
    assert check.level is level
    assert said in f"{check.found}; {check.to_do}"
    assert "\n" not in check.found + check.to_do
    assert bool(check.to_do) is (level is not Level.OK)


def test_a_state_folder_that_others_can_read_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    assert "will be made" in check_folder(folder).found
    assert not folder.parent.exists()
    with StateLock(folder, "paper"):
        assert check_folder(folder).level is Level.OK  # the node makes it its owner's alone
        assert "mode paper" in check_node(folder).found
    assert check_node(folder).level is Level.OK
    folder.chmod(0o755)
    check = check_folder(folder)
    assert check.level is Level.WARNING
    assert check.to_do == f"chmod 700 {folder}"


def test_a_state_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is no folder" in check_folder(tmp_path / "file").found
    assert check_folder(Path("/proc/none")).level is Level.FAILED
