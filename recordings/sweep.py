"""Many backtests of one recording: each combination of a grid, over all cores or a Ray cluster.

What is done is kept line by line beside the results, so that a sweep that was cut short goes on
where it was.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from decimal import Decimal
from hashlib import sha256
from html import escape
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pyarrow
import pyarrow.parquet

from positions.commands import files
from positions.commands.messages import Command
from positions.operations.settings import Settings
from positions.research.backtest_result import Outcome, Totals, totals
from positions.research.grid import Combination, vary
from recordings.report import write_page

_COUNTS = frozenset({"positions", "bought", "refused", "targets", "stops"})
_EXACT = (Decimal,)
_MONEY = pyarrow.decimal128(18, 6)

Requests = list[dict[str, Any]]
Run = Callable[[Settings, list[Command]], Outcome]
Row = dict[str, Any]
"""The varied fields and the totals of one combination, as JSON has them."""


def sweep(
    run: Run,
    settings: Settings,
    requests: Requests,
    grid: list[Combination],
    results: Path,
    executor: Executor,
    progress: Callable[[int, int], None],
) -> list[Row]:
    """Try every combination; those that were tried before are taken from beside the results.

    `run`, which plays one backtest, must be picklable.
    """
    log = results.with_suffix(".part.jsonl")
    log.parent.mkdir(parents=True, exist_ok=True)
    what = _digest(settings, requests)
    done = dict(_tried(log, what))
    todo = [c for c in grid if _key(c) not in done]
    progress(len(grid) - len(todo), len(grid))
    with log.open("a", encoding="utf-8") as file:
        for row in _rows(executor, run, settings, requests, todo):
            done[_key(row["varied"])] = row
            file.write(json.dumps({"of": what} | row) + "\n")
            file.flush()
            progress(len(done), len(grid))
    rows = [done[_key(c)] for c in grid]
    _write(results, rows)
    return rows


def _rows(
    executor: Executor,
    run: Run,
    settings: Settings,
    requests: Requests,
    todo: Iterable[Combination],
) -> Iterator[Row]:
    futures = [executor.submit(try_one, run, settings, requests, c) for c in todo]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def try_one(run: Run, settings: Settings, requests: Requests, combination: Combination) -> Row:
    """One backtest; a request that the combination makes impossible counts as refused."""
    varied: list[Command] = []
    malformed = 0
    for fields in vary(requests, combination):
        try:
            varied += files.checked([fields], "request")
        except files.UnreadableRequests:
            malformed += 1
    t = totals(run(settings, varied))
    t = msgspec.structs.replace(t, refused=t.refused + malformed)
    return {"varied": combination, "totals": json.loads(msgspec.json.encode(t))}


def cores(count: int | None = None) -> ProcessPoolExecutor:
    """Every core of this machine, or so many."""
    # Nautilus' threads do not survive a fork.
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


class RayExecutor(Executor):
    """A Ray cluster, by its address ("local" = one of its own on this machine)."""

    def __init__(self, address: str) -> None:
        import ray

        self._ray = ray
        ray.init(address=address, log_to_driver=False, configure_logging=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function somewhere in the cluster."""
        future: Future[Any] = self._ray.remote(fn).remote(*args, **kwargs).future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Leave the cluster."""
        self._ray.shutdown()


def _key(combination: Combination) -> str:
    return json.dumps(combination)


def _digest(settings: Settings, requests: Requests) -> str:
    content = msgspec.json.encode([settings, requests])
    return sha256(content).hexdigest()[:16]


def _tried(log: Path, what: str) -> Iterator[tuple[str, Row]]:
    if not log.exists():
        return
    for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):  # the last one may be torn
            row = json.loads(line)
            if row.pop("of") == what:
                yield _key(row["varied"]), row


def _write(path: Path, rows: list[Row]) -> None:
    names = list(rows[0]["varied"])
    fields = [(name, pyarrow.string()) for name in names]
    fields += [(n, pyarrow.int64() if n in _COUNTS else _MONEY) for n in Totals.__struct_fields__]
    flat = [row["varied"] | msgspec.to_builtins(_totals(row), builtin_types=_EXACT) for row in rows]
    table = pyarrow.Table.from_pylist(flat, schema=pyarrow.schema(fields))
    aside = path.with_suffix(".tmp")
    pyarrow.parquet.write_table(table, aside)
    aside.replace(path)


def _totals(row: Row) -> Totals:
    return msgspec.convert(row["totals"], Totals, strict=False)


def write_heat_map(path: Path, rows: list[Row]) -> None:
    """Net profit over the two fields that were varied first; the best of the others."""
    names = list(rows[0]["varied"])
    x, y = names[0], names[1] if len(names) > 1 else None
    best: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        at = row["varied"][x], row["varied"][y] if y else ""
        profit = _totals(row).net_profit
        best[at] = max(profit, best.get(at, profit))
    xs, ys = (list(dict.fromkeys(values)) for values in zip(*best, strict=True))
    most = max(max(map(abs, best.values())), Decimal("0.01"))
    head = "".join(f"<th>{escape(a)}</th>" for a in xs)
    lines = "".join(
        f"<tr><th>{escape(b)}</th>{''.join(_cell(best.get((a, b)), most) for a in xs)}</tr>"
        for b in ys
    )
    corner = escape(f"{y or ''} \\ {x}" if y else x)
    note = f"<p>{len(rows)} combinations; net profit in USDC after fees</p>"
    table = f"<table class=heat><tr><th>{corner}</th>{head}</tr>{lines}</table>"
    write_page(path, "Sweep", [note], [("Net profit", table)])


def _cell(profit: Decimal | None, most: Decimal) -> str:
    """A cell of the map: the greener the more it made, the redder the more it lost."""
    if profit is None:
        return "<td></td>"
    color = "22,163,74" if profit > 0 else "220,38,38"
    return (
        f'<td class=n style="background:rgba({color},{abs(profit) / most:.2f})">{profit:+.2f}</td>'
    )
