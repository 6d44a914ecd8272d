"""``python -m houston_onboard`` is ``houston-onboard``."""

from __future__ import annotations

import os
import sys

from houston_onboard import find_program

program = find_program()
os.execv(program, [program, *sys.argv[1:]])
