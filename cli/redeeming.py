"""The command that turns winnings into cash."""

from decimal import Decimal
from typing import Annotated

import typer

from cli.options import Json, LiveConfig
from cli.output import print_json, say
from positions.commands.market_names import market_name
from positions.operations.wallet import environment


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("redeem", epilog="Example: polybracket redeem --dry-run")(redeem)


def redeem(
    config: LiveConfig,
    market: Annotated[
        str, typer.Argument(help="Slug, address, condition id or token id; all if none.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be paid, and send nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Turn the shares of resolved markets into cash.

    A wallet of one's own sends a transaction and pays its gas in POL; for other kinds Polymarket's
    relayer does, which needs a Relayer API key. Exits with 1 if anything was not paid.
    """
    from positions.operations.settings import load
    from venues.polymarket.redemption.process import redeem as run

    name = market_name(market) if market else ""
    paid, failed, count = Decimal(0), False, 0
    for result in run(load(config), environment(), name, dry_run=dry_run):
        count += 1
        failed = failed or result.state == "failed"
        paid += 0 if result.state == "failed" else result.worth
        if as_json:
            names = ("market", "condition_id", "worth", "state", "why")
            print_json([{n: getattr(result, n) for n in names}])
        else:
            say(str(result))
    if not as_json:
        say(
            f"{paid:f} USDC {'would be' if dry_run else 'are'} paid"
            if count
            else "nothing to redeem"
        )
    if failed:
        raise typer.Exit(1)
