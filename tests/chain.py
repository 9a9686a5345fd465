"""A stand-in for Polygon, Polymarket's relayer and the Data API, on loopback.

It recovers who signed, decodes what is called, and pays as the contracts do, by code of its own:
nothing of the product is used but the addresses in its settings. Amounts are in millionths.
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import rlp
from coincurve import PrivateKey, PublicKey
from eth_abi.abi import decode
from eth_utils.crypto import keccak

Json = dict[str, Any]
KEY = "0x" + "11" * 32
OWNER = "0x" + keccak(PrivateKey(b"\x11" * 32).public_key.format(False)[1:])[12:].hex()
WALLET = "0x" + "22" * 20
RELAY = "0x" + "77" * 20
RELAYER_KEY = "relayer-key-of-the-owner"
CASH = "0xc011a7e12a19f7b1f670d46f03b03f3342e82dfb"
TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
MANAGER = "0x006f54f7f9a22e0000cc2ab60031000000ae9fef"
ROUTER = "0x12121212006e4cd160d18e3f00711da5c3372600"
ADAPTERS = {
    "0xada100db00ca00073811820692005400218fce1f": False,
    "0xada2005600dec949baf300f4c6120000bdb6eaab": True,
}
MULTISEND = "0xa238cbeb142c10ef7ad8442c6d1f9e89e07e7761"
PROXIES = "0xab45c5a4b0c941a2f231c04c3f49182e1a254052"
HUB = "0xd216153c06e857cd7f72665e0af1d7d82172f494"
GAS, PRICE = 150_000, 50 * 10**9
_ZERO = "0x" + "0" * 40


class Revert(Exception):
    """The contract refuses."""


class Resolved(NamedTuple):
    """A market of the chain: outcomes, payouts of 1,000,000, and of which kind it is."""

    condition_id: str
    ids: tuple[int, int]
    payouts: tuple[int, int]
    is_v2: bool
    neg_risk: bool


def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def _address(text: str) -> bytes:
    return bytes.fromhex(text[2:]).rjust(32, b"\0")


def _word(n: int | str) -> bytes:
    return int(n).to_bytes(32, "big")


def _signer(digest: bytes, signature: bytes, v: int) -> str:
    key = PublicKey.from_signature_and_message(signature[:64] + bytes([v]), digest, hasher=None)
    return "0x" + keccak(key.format(False)[1:])[12:].hex()


def _message(digest: bytes) -> bytes:
    return keccak(b"\x19Ethereum Signed Message:\n32" + digest)


class Chain:
    """The contracts, the node of the chain, the relayer and the Data API of one wallet.

    `before` and `after` are told the name of each request, and may answer with a status (0 = the
    connection is cut) in place of what would have been answered.
    """

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.wallet = OWNER if kind == 0 else WALLET
        self.markets: list[Resolved] = []
        self.shares: dict[int, int] = {}
        self.allowed = {*ADAPTERS, ROUTER}
        self.cash = 0
        self.coins = 10**18
        self.nonce = 7
        self.redeemed: list[tuple[str, int]] = []
        self.carried_out: list[int] = []
        self.receipts: dict[str, bool] = {}
        self.states: dict[str, str] = {}
        self.reverts = False
        self.does_nothing = False
        """Wallets that are contracts succeed, and make none of the calls."""
        self.refusal = ""
        """With what the relayer answers 400 to whatever is submitted."""
        self.chain_id = 137
        self.before: Callable[[str], int | None] = lambda _: None
        self.after: Callable[[str], int | None] = lambda _: None
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def resolve(
        self, kind: str, payouts: tuple[int, int] = (1_000_000, 0), shares: tuple[int, int] = (0, 0)
    ) -> Resolved:
        """A resolved market of "v1", "neg-risk" or "v2", of which the wallet has shares."""
        number = len(self.markets) + 1
        if kind == "v2":
            first = (1 << 248) | (number << 120)
            ids, condition = (first, first + 1), first
        else:
            condition = int.from_bytes(keccak(b"condition %d" % number))
            ids = tuple(int.from_bytes(keccak(b"%d of %d" % (n, number))) for n in (0, 1))
        market = Resolved(f"0x{condition:064x}", ids, payouts, kind == "v2", kind == "neg-risk")
        self.markets.append(market)
        self.shares |= dict(zip(ids, shares, strict=True))
        return market

    # -- the contracts -----------------------------------------------------------------------------

    def _carry_out(self, to: str, data: bytes) -> None:
        """One call by the wallet. Raises Revert."""
        if self.reverts:
            raise Revert("execution reverted")
        to, selector, rest = to.lower(), data[:4], data[4:]
        if to in ADAPTERS:
            name = "redeemPositions(address,bytes32,bytes32,uint256[])"
            assert selector == _selector(name)
            kinds = ["address", "bytes32", "bytes32", "uint256[]"]
            cash, parent, condition, sets = decode(kinds, rest)
            assert (cash.lower(), parent, sets) == (CASH, bytes(32), (1, 2))
            market = self._market(condition, is_v2=False)
            if to not in self.allowed or market.neg_risk != ADAPTERS[to]:
                raise Revert("execution reverted: not allowed")
            amounts = [(n, self.shares[market.ids[n]]) for n in (0, 1)]
        else:
            assert to == ROUTER, to
            assert selector == _selector("redeem(bytes31,uint256,uint256)")
            condition, outcome, amount = decode(["bytes31", "uint256", "uint256"], rest)
            market = self._market(condition + b"\0", is_v2=True)
            if to not in self.allowed or amount > self.shares[market.ids[outcome]]:
                raise Revert("execution reverted: not enough")
            amounts = [(outcome, amount)]
        for outcome, amount in amounts:
            paid = amount * market.payouts[outcome] // 10**6
            self.shares[market.ids[outcome]] -= amount
            self.cash += paid
            self.redeemed.append((market.condition_id, paid))

    def _market(self, condition: bytes, *, is_v2: bool) -> Resolved:
        for market in self.markets:
            if (market.condition_id, market.is_v2) == ("0x" + condition.hex(), is_v2):
                return market
        raise Revert("execution reverted: no such market")

    def _all(self, calls: list[tuple[str, bytes]]) -> None:
        """Several calls, all or none."""
        shares, cash, count = dict(self.shares), self.cash, len(self.redeemed)
        try:
            for to, data in calls:
                self._carry_out(to, data)
        except Revert:
            self.shares, self.cash = shares, cash
            del self.redeemed[count:]
            raise

    # -- the node of the chain ---------------------------------------------------------------------

    def _rpc(self, method: str, params: list[Any]) -> Any:
        match method:
            case "eth_chainId":
                return hex(self.chain_id)
            case "eth_gasPrice":
                return hex(PRICE)
            case "eth_getBalance":
                return hex(self.coins)
            case "eth_getTransactionCount":
                assert params[0].lower() == OWNER
                return hex(self.nonce)
            case "eth_call":
                return "0x" + _word(self._told(params[0]["to"].lower(), params[0]["data"])).hex()
            case "eth_estimateGas":
                return hex(self._estimate(params[0]))
            case "eth_sendRawTransaction":
                return self._take(bytes.fromhex(params[0][2:]))
            case "eth_getTransactionByHash":
                return {"hash": params[0]} if params[0] in self.receipts else None
            case "eth_getTransactionReceipt":
                told = self.receipts.get(params[0])
                return None if told is None else {"status": hex(told)}
        raise AssertionError(method)

    def _told(self, to: str, data: str) -> int:
        selector, rest = bytes.fromhex(data[2:10]), bytes.fromhex(data[10:])
        if selector == _selector("balanceOf(address,uint256)"):
            wallet, token = decode(["address", "uint256"], rest)
            market = next(m for m in self.markets if token in m.ids)
            assert (wallet, to) == (self.wallet.lower(), MANAGER if market.is_v2 else TOKENS)
            return self.shares[token]
        if selector == _selector("isApprovedForAll(address,address)"):
            wallet, spender = decode(["address", "address"], rest)
            assert wallet == self.wallet.lower()
            return int(spender in self.allowed)
        market = self._market(rest[:32], is_v2=False)
        if selector == _selector("payoutDenominator(bytes32)"):
            return sum(market.payouts)
        assert selector == _selector("payoutNumerators(bytes32,uint256)")
        return market.payouts[int.from_bytes(rest[32:64])]

    def _estimate(self, asked: Json) -> int:
        assert asked["from"].lower() == OWNER
        shares, cash, redeemed = dict(self.shares), self.cash, list(self.redeemed)
        try:
            self._all(_inner(asked["to"].lower(), bytes.fromhex(asked["data"][2:])))
        finally:
            self.shares, self.cash, self.redeemed = shares, cash, redeemed
        return GAS

    def _take(self, raw: bytes) -> str:
        """A signed transaction of the owner: decoded, its signer recovered, carried out."""
        nonce, price, gas, to, value, data, v, r, s = rlp.decode(raw)
        assert v, "replay protection"
        number = int.from_bytes(v) - 35 - 2 * self.chain_id
        digest = keccak(rlp.encode([nonce, price, gas, to, value, data, self.chain_id, b"", b""]))
        assert _signer(digest, r.rjust(32, b"\0") + s.rjust(32, b"\0"), number) == OWNER
        key = "0x" + keccak(raw).hex()
        if key in self.receipts:
            raise Revert("already known")
        if int.from_bytes(nonce) != self.nonce:
            raise Revert("nonce too low")
        cost = int.from_bytes(gas) * int.from_bytes(price)
        if cost > self.coins or int.from_bytes(gas) < GAS:
            raise Revert("insufficient funds for gas * price + value")
        assert value == b""
        self._use(self.nonce)
        self.coins -= GAS * int.from_bytes(price)
        try:
            self._all([("0x" + to.hex(), data)])
            self.receipts[key] = True
        except Revert:
            self.receipts[key] = False
        return key

    def _use(self, nonce: int) -> None:
        assert nonce not in self.carried_out
        self.carried_out.append(nonce)
        self.nonce += 1

    # -- the relayer -------------------------------------------------------------------------------

    def _submit(self, asked: Json) -> Json:
        kinds = {"PROXY": (1, self._proxy), "SAFE": (2, self._safe), "WALLET": (3, self._deposit)}
        kind, read = kinds[asked["type"]]
        assert (kind, asked["from"].lower()) == (self.kind, OWNER)
        calls = read(asked)
        if self.refusal:
            raise Revert(self.refusal)
        if int(asked["nonce"]) != self.nonce:
            raise Revert(f"batch nonce {asked['nonce']} does not match on-chain nonce {self.nonce}")
        self._use(self.nonce)
        name = f"relayed-{len(self.states)}"
        try:
            self._all([] if self.does_nothing else calls)
            self.states[name] = "STATE_CONFIRMED"
        except Revert:
            self.states[name] = "STATE_FAILED"
        return {"transactionID": name, "transactionHash": "", "state": "STATE_NEW"}

    def _proxy(self, asked: Json) -> list[tuple[str, bytes]]:
        signature, data = bytes.fromhex(asked["signature"][2:]), bytes.fromhex(asked["data"][2:])
        params = asked["signatureParams"]
        assert (asked["to"].lower(), asked["proxyWallet"].lower()) == (PROXIES, self.wallet)
        assert (params["relayHub"].lower(), params["relay"].lower()) == (HUB, RELAY)
        signed = b"rlx:" + bytes.fromhex(OWNER[2:] + PROXIES[2:]) + data
        names = ("relayerFee", "gasPrice", "gasLimit")
        signed += b"".join(_word(params[n]) for n in names) + _word(asked["nonce"])
        signed += bytes.fromhex(HUB[2:] + RELAY[2:])
        assert _signer(_message(keccak(signed)), signature, signature[64] - 27) == OWNER
        return _inner(PROXIES, data)

    def _safe(self, asked: Json) -> list[tuple[str, bytes]]:
        assert asked["proxyWallet"].lower() == self.wallet
        signature, data = bytes.fromhex(asked["signature"][2:]), bytes.fromhex(asked["data"][2:])
        operation = int(asked["signatureParams"]["operation"])
        domain = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")
        kind = keccak(
            b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,"
            b"uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,"
            b"uint256 nonce)"
        )
        body = _address(asked["to"]) + _word(0) + keccak(data) + _word(operation) + bytes(32 * 5)
        digest = keccak(
            b"\x19\x01"
            + keccak(domain + _word(137) + _address(self.wallet))
            + keccak(kind + body + _word(asked["nonce"]))
        )
        assert _signer(_message(digest), signature, signature[64] - 31) == OWNER
        assert operation == (asked["to"].lower() == MULTISEND)
        return _inner(asked["to"].lower(), data)

    def _deposit(self, asked: Json) -> list[tuple[str, bytes]]:
        params = asked["depositWalletParams"]
        assert params["depositWallet"].lower() == self.wallet
        assert time.time() < int(params["deadline"]) < time.time() + 1800
        inner = b"Call(address target,uint256 value,bytes data)"
        outer = b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)" + inner
        calls = [(c["target"].lower(), bytes.fromhex(c["data"][2:])) for c in params["calls"]]
        made = b"".join(
            keccak(keccak(inner) + _address(to) + _word(0) + keccak(data)) for to, data in calls
        )
        domain = keccak(
            keccak(
                b"EIP712Domain(string name,string version,uint256 chainId,"
                b"address verifyingContract)"
            )
            + keccak(b"DepositWallet")
            + keccak(b"1")
            + _word(137)
            + _address(self.wallet)
        )
        numbers = _word(asked["nonce"]) + _word(params["deadline"])
        contents = keccak(keccak(outer) + _address(self.wallet) + numbers + keccak(made))
        signature = bytes.fromhex(asked["signature"][2:])
        digest = keccak(b"\x19\x01" + domain + contents)
        assert _signer(digest, signature, signature[64] - 27) == OWNER
        return calls

    # -- the Data API ------------------------------------------------------------------------------

    def _positions(self) -> Json:
        """Rows of shares that pay; not in step with the chain: what was redeemed stays a while."""
        rows = [
            {
                "condition_id": m.condition_id[:64] if m.is_v2 else m.condition_id,
                "token_id": str(m.ids[n]),
                "opposite_token_id": str(m.ids[1 - n]),
                "outcome_index": n,
                "negative_risk": m.neg_risk,
                "title": f"market {number}",
                "slug": f"market-{number}",
                "redeemable": True,
            }
            for number, m in enumerate(self.markets)
            for n in (0, 1)
            if m.payouts[n]
        ]
        return {"data": rows, "pagination": {"has_more": False, "next_cursor": None}}

    def _resolution(self, condition_id: str) -> Json:
        rows = [
            {"condition_id": m.condition_id, "status": "resolved", "payouts": list(m.payouts)}
            for m in self.markets
            if m.condition_id == condition_id
        ]
        return {"data": rows}

    # -- HTTP --------------------------------------------------------------------------------------

    def _answer(self, path: str, query: dict[str, str], body: Any, headers: Any) -> Any:
        if path == "/rpc":
            try:
                result = self._rpc(body["method"], body["params"])
            except Revert as e:
                return 200, {"jsonrpc": "2.0", "id": body["id"], "error": {"message": str(e)}}
            return 200, {"jsonrpc": "2.0", "id": body["id"], "result": result}
        if path == "/data/v2/positions":
            assert query["user"].lower() == self.wallet
            return 200, self._positions()
        if path == "/data/v2/resolutions":
            return 200, self._resolution(query["condition"])
        if (headers["RELAYER_API_KEY"], headers["RELAYER_API_KEY_ADDRESS"]) != (RELAYER_KEY, OWNER):
            return 401, {"error": f"invalid key {headers['RELAYER_API_KEY']}"}
        if path == "/relayer/submit":
            try:
                return 200, self._submit(body)
            except Revert as e:
                return 400, {"error": str(e)}
        if path in ("/relayer/relay-payload", "/relayer/v1/account/transactions/params"):
            assert query["address"].lower() == OWNER
            return 200, {"address": RELAY, "nonce": str(self.nonce)}
        name = path.rpartition("/")[2]
        known = {"transaction_id": name, "transaction_hash": "", "state": self.states.get(name)}
        return (200, known) if name in self.states else (404, {"error": "not found"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        chain = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, text = self.path.partition("?")
                query = dict(part.split("=", 1) for part in text.split("&") if part)
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                name = body["method"] if path == "/rpc" else path.removeprefix("/relayer")
                with chain._lock:
                    chain.asked.append(name)
                    status = chain.before(name)
                    if status is None:
                        try:
                            answer = chain._answer(path, query, body, self.headers)
                        except AssertionError as e:
                            answer = 500, {"error": f"the stand-in refuses {name}: {e!r}"}
                        status = chain.after(name)
                        if status is None:
                            self._say(*answer)
                            return
                if status:
                    self._say(status, {"error": "not now"})
                self.close_connection = True

            do_POST = do_GET

            def _say(self, status: int, answer: Any) -> None:
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _inner(to: str, data: bytes) -> list[tuple[str, bytes]]:
    """The calls that one call makes: of a proxy, of a Safe's multi-send, or itself."""
    if to == PROXIES:
        assert data[:4] == _selector("proxy((uint8,address,uint256,bytes)[])")
        (calls,) = decode(["(uint8,address,uint256,bytes)[]"], data[4:])
        assert all((kind, value) == (1, 0) for kind, _, value, _ in calls)
        return [(target, content) for _, target, _, content in calls]
    if to != MULTISEND:
        return [(to, data)]
    assert data[:4] == _selector("multiSend(bytes)")
    (packed,) = decode(["bytes"], data[4:])
    calls = []
    while packed:
        assert packed[0] == 0
        length = int.from_bytes(packed[53:85])
        calls.append(("0x" + packed[1:21].hex(), packed[85 : 85 + length]))
        packed = packed[85 + length :]
    return calls
