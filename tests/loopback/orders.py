"""The venue's desk: takes signed orders from those who may post them, and takes them back."""

from typing import Any

from loopback import rules
from loopback.agenda import Agenda
from loopback.engine import Engine
from loopback.ledger import ZERO, Kind, Order, Side, Trade, digits, plain
from loopback.rules import Refused
from loopback.signatures import CONTRACT_WALLET, Credentials, Keys, SignedOrder, read_order

Json = dict[str, Any]


class Desk:
    """Checks who posts what.

    Parameters
    ----------
    heartbeat_seconds
        How long after a heartbeat the wallet's orders are kept without another.
    """

    def __init__(self, engine: Engine, keys: Keys, agenda: Agenda) -> None:
        self.heartbeat_seconds = 15.0
        self._engine = engine
        self._ledger = engine.ledger
        self._keys = keys
        self._agenda = agenda
        self._beats: dict[str, str] = {}

    def post(self, posted: Json, who: Credentials) -> Json:
        """Place an order as it came; the venue's answer.

        Raises
        ------
        Refused
            In the venue's words.
        """
        try:
            order = self._read(posted, who)
        except (KeyError, TypeError, ValueError):
            raise Refused("Invalid order payload") from None
        trades = self._engine.place(order)
        return self._answer(order, trades)

    def _read(self, posted: Json, who: Credentials) -> Order:
        sent, kind = posted["order"], Kind(posted["orderType"])
        if posted.get("owner") != who.key:
            raise Refused("the order owner has to be the owner of the API KEY")
        market = self._ledger.by_token.get(str(sent.get("tokenId")))
        if market is None:
            raise Refused(f"the orderbook {sent.get('tokenId')} does not exist")
        signed = read_order(sent, market.exchange)
        self._check_signer(sent, signed, who)
        side = Side(sent["side"])
        amounts = (int(sent["makerAmount"]), int(sent["takerAmount"]))
        terms = rules.terms(side, kind, *amounts, market.tick)
        return Order(
            id=signed.hash,
            market=market,
            token=str(sent["tokenId"]),
            side=side,
            price=terms.price,
            size=terms.size,
            kind=kind,
            maker=self._ledger.account(sent["maker"]).address,
            signer=who.address,
            owner=who.key,
            is_post_only=bool(posted.get("postOnly")),
            expiration=int(sent.get("expiration") or 0),
            spend=terms.spend,
            received_at=self._agenda.now(),
            sequence=self._engine.next_sequence(),
        )

    def _check_signer(self, sent: Json, signed: SignedOrder, who: Credentials) -> None:
        maker, signer = str(sent["maker"]).lower(), str(sent["signer"]).lower()
        signature_type = int(sent["signatureType"])
        is_contract = signature_type == CONTRACT_WALLET
        stands_for = maker if is_contract else who.address.lower()
        if signer != stands_for:
            raise Refused("the order signer address has to be the address of the API KEY")
        owner = self._ledger.account(str(sent["maker"])).owner.lower()
        if signed.signed_by.lower() != who.address.lower() or owner != who.address.lower():
            raise Refused("invalid signature")
        if signature_type == 0 and maker != signer:
            raise Refused("invalid signature")

    def _answer(self, order: Order, trades: list[Trade]) -> Json:
        status = "live"
        if trades:
            status = "matched"
        elif order.status == "DELAYED":
            status = "delayed"
        shares = sum((t.taker.shares for t in trades), ZERO)
        money = sum((t.taker.amount for t in trades), ZERO)
        gave, got = (money, shares) if order.side is Side.BUY else (shares, money)
        answer = {
            "success": True,
            "errorMsg": "",
            "orderID": order.id,
            "status": status,
            "takingAmount": plain(got) if trades else "",
            "makingAmount": plain(gave) if trades else "",
        }
        if trades:
            answer["tradeIDs"] = [t.id for t in trades]
            answer["transactionsHashes"] = [t.transaction_hash for t in trades]
        return answer

    def cancel(self, ids: list[str], who: Credentials) -> Json:
        """Take a wallet's orders back; which were, and why the others were not."""
        done: list[str] = []
        not_done: dict[str, str] = {}
        for order_id in ids:
            order = self._ledger.orders.get(order_id)
            is_theirs = order is not None and order.signer.lower() == who.address.lower()
            is_hidden = (
                order is not None and order.status == "DELAYED" and self._engine.faults.delayed_stay
            )
            if is_theirs and not is_hidden and self._engine.cancel(order_id):
                done.append(order_id)
            else:
                not_done[order_id] = rules.GONE
        return {"canceled": done, "not_canceled": not_done}

    def heartbeat(self, who: Credentials, beat: str) -> Json:
        """Note that a client lives; its next heartbeat's id. Once begun, a missing one cancels
        every order of the wallet.

        Raises
        ------
        Refused
            If it names another heartbeat than the last.
        """
        last = self._beats.get(who.address, "")
        if beat != last:
            raise Refused("Invalid Heartbeat ID", heartbeat_id=last)
        following = digits("heartbeat", who.address, self._agenda.now())[:32]
        self._beats[who.address] = following
        self._agenda.later(self.heartbeat_seconds, lambda: self._miss(who, following))
        return {"heartbeat_id": following}

    def _miss(self, who: Credentials, beat: str) -> None:
        if self._beats.get(who.address) != beat:
            return
        del self._beats[who.address]
        for order in list(self._ledger.orders.values()):
            if order.signer.lower() == who.address.lower():
                self._engine.cancel(order.id)
