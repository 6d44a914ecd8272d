"""Runs commands of ``airflow`` one after the other in one process: each alone would take ten seconds to start.

Reads an object in JSON a line, with ``arguments`` and the ``log`` for the output, and answers with the exit status.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from airflow.__main__ import main

answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    command = json.loads(line)
    with open(command["log"], "wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv = ["airflow", *command["arguments"]]
    status: object = None
    try:
        main()
    except SystemExit as ended:
        status = ended.code
    except Exception:
        traceback.print_exc()
        status = 1
    if isinstance(status, str):  # As the interpreter does it.
        print(status)
        status = 1
    sys.stdout.flush()
    print(status or 0, file=answers, flush=True)
