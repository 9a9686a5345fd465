"""Polymarket, on Nautilus' adapter and the venue's client library.

The library loads `eth_keyfile`, and that `py_ecc`, which computes pairings of elliptic curves for a
third of a second while it is loaded. Only files of encrypted BLS keys need them: it stays out.
"""

import sys
from types import ModuleType
from typing import Any


class _Unused(ModuleType):
    """A module whose names can be imported, and not be used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return 0  # one of them is a number, from which a limit is computed


for _name in ("py_ecc", "py_ecc.bls", "py_ecc.bls12_381", "py_ecc.secp256k1"):
    sys.modules.setdefault(_name, _Unused(_name))
