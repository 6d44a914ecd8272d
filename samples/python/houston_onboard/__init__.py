"""The program houston-onboard as a Python package.

``find_program()`` returns its path, ``houston_onboard.program`` runs it, and ``houston_onboard.airflow``
has operators for Apache Airflow.
"""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

__all__ = ["find_program"]


def find_program() -> str:
    """Return the path of the program: the one of this installation, else the first on the PATH."""
    own = Path(sysconfig.get_path("scripts"), "houston-onboard")
    found = str(own) if own.is_file() else shutil.which("houston-onboard")
    if found is None:
        raise FileNotFoundError("houston-onboard is neither installed with this Python nor on the PATH")
    return found
