"""The boundary between Nautilus and our handlers: what raises inside one never leaves it.

An exception that a handler lets through ends the queue of a live engine, and the process with it;
inside a publish it also keeps the message from the subscribers after it. What is caught is raised
again in an iteration of the event loop of its own, whose exception handler reports it. A backtest
has no loop: there an error of ours ends it, as it should.
"""

import asyncio
from collections.abc import Callable
from functools import partial, wraps


def report(error: Exception) -> None:
    """Report an error to the event loop's exception handler.

    Raises
    ------
    Exception
        The error itself, where no loop runs.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise error from None
    loop.call_soon(partial(raise_again, error))


def bounded[**P](handler: Callable[P, object]) -> Callable[P, None]:
    """The handler, for Nautilus to call; its errors are reported and end nothing."""

    @wraps(handler)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handler(*args, **kwargs)
        except Exception as e:
            report(e)

    return call


def raise_again(error: Exception) -> None:
    """Raise an error where it is to be handled."""
    raise error
