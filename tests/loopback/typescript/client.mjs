// Trades on the loopback venue with the official client, unchanged, and prints what it was told.
// Usage: node client.mjs HOST PRIVATE_KEY TOKEN

import { AssetType, ClobClient, OrderType, Side } from "@polymarket/clob-client-v2";
import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const POLYGON = 137;
const [host, key, tokenID] = process.argv.slice(2);
const account = privateKeyToAccount(key);
// Signing needs no chain: the transport's address is never called.
const signer = createWalletClient({ account, transport: http("http://127.0.0.1:9") });
const stranger = new ClobClient({ host, chain: POLYGON, signer, throwOnError: true });
const creds = await stranger.createOrDeriveApiKey();
const client = new ClobClient({ host, chain: POLYGON, signer, creds, throwOnError: true });

const limit = (side, price, size, kind, more = {}) =>
  client.createAndPostOrder({ tokenID, side, price, size, ...more }, undefined, kind);
const market = (side, amount, kind) =>
  client.createAndPostMarketOrder({ tokenID, side, amount, orderType: kind }, undefined, kind);
const refusal = async (act) => {
  try {
    return JSON.stringify(await act());
  } catch (error) {
    return String(error.message);
  }
};

const resting = await limit(Side.BUY, 0.48, 10, OrderType.GTC);
const crossing = await limit(Side.BUY, 0.53, 20, OrderType.GTC);
const expiration = Math.floor(Date.now() / 1000) + 300;
const lasting = await limit(Side.SELL, 0.6, 10, OrderType.GTD, { expiration });
const bought = await market(Side.BUY, 10, OrderType.FOK);
const sold = await market(Side.SELL, 10, OrderType.FAK);
const open = await client.getOpenOrders();
const cancelled = await client.cancelOrder({ orderID: resting.orderID });
const all = await client.cancelAll();

const order = await client.createOrder({ tokenID, side: Side.BUY, price: 0.4, size: 10 });
const tampered = await refusal(() => client.postOrder({ ...order, takerAmount: "11000000" }));
const forged = new ClobClient({
  host,
  chain: POLYGON,
  signer,
  creds: { ...creds, secret: "c2VjcmV0" },
  throwOnError: true,
});
const unauthorized = await refusal(() => forged.getOpenOrders());

console.log(
  JSON.stringify({
    address: account.address,
    statuses: [resting, crossing, lasting, bought, sold].map((reply) => reply.status),
    open: open.map((o) => [o.side, o.price, o.order_type]),
    cancelled: [cancelled, all].map((reply) => reply.canceled),
    ids: [resting, lasting].map((reply) => reply.orderID),
    trades: (await client.getTrades()).length,
    bids: (await client.getOrderBook(tokenID)).bids.map((level) => level.price),
    cash: (await client.getBalanceAllowance({ asset_type: AssetType.COLLATERAL })).balance,
    tampered,
    unauthorized,
  }),
);
