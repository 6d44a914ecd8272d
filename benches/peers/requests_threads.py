"""One POST per address from stdin, 32 threads with a session each."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

URL, TOKEN, BODY = (os.environ[name] for name in ("URL", "TOKEN", "BODY"))
HEADERS = {"content-type": "application/json", "authorization": TOKEN}
local = threading.local()


def add(email):
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.session.headers.update(HEADERS)
    answer = local.session.post(URL, data=BODY.replace("EMAIL", email), timeout=30)
    answer.raise_for_status()
    return answer.json()["data"]


with ThreadPoolExecutor(32) as pool:
    list(pool.map(add, sys.stdin.read().split()))
