"""The gateway's command with one provider more than it has, whose adapter kills its worker over certain texts.

python -m tests.support.rigged worker
"""

from __future__ import annotations

import sys
from pathlib import Path

from app import providers
from app.cli import run

if __name__ == "__main__":
    providers.__path__.append(str(Path(__file__).parent / "rigged_providers"))
    sys.exit(run())
