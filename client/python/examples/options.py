"""The command line that the examples share."""

from __future__ import annotations

import argparse
from typing import Optional


def parser(description: Optional[str], *, run: str, epochs: int) -> argparse.ArgumentParser:
    """Length, seed, name of the run and where the server is."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--epochs", type=int, default=epochs)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--run", default=run)
    made.add_argument("--endpoint", help="default: FIREKEEPER_ENDPOINT, else 127.0.0.1:50061")
    return made
