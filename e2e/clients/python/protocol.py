"""Reads lines and prints one JSON response per line: the protocol of ../client-process.ts."""

import json
import os
import re
import sys
import time

# False if the limits of the SDK itself are measured.
HAS_OWN_LIMITS = os.environ.get("CLIENT_LIMITS") != "sdk"
CREDENTIAL = re.compile(r"Credential=([^/,]+)/")


def access_key_in(authorization):
    """Returns the access key in an Authorization header, or None."""
    found = CREDENTIAL.search(authorization)
    return found.group(1) if found else None


def serve(start, perform):
    """Prints `start`, then responds to each line with the result of `perform(op, bucket, key)`, a dict."""
    write({"op": "start", **start})
    for line in iter(sys.stdin.readline, ""):
        op, _, path = line.strip().partition(" ")
        if op == "quit":
            return
        bucket, _, key = path.partition("/")
        started = time.monotonic()
        answer = {"status": None, "code": None, "message": None, "accessKeyId": None}
        answer.update(perform(op, bucket, key))
        ms = round((time.monotonic() - started) * 1000)
        write({"op": op, "key": path, "ms": ms, **answer})


def call(op, bucket, key, client):
    """Performs `get`, `put` or `roundtrip` with a client's functions `read(bucket, key)` and `write(bucket, key, body)`."""
    read, write_object = client
    if op == "get":
        read(bucket, key)
    elif op == "put":
        write_object(bucket, key, b"written by a client\n")
    elif op == "roundtrip":
        name, _, size = key.rpartition(" ")
        body = os.urandom(int(size))
        write_object(bucket, name, body)
        expect_same(read(bucket, name), body)
    else:
        raise ValueError(f"op: expected get, put or roundtrip, got {op!r}")


def expect_same(got, written):
    if got != written:
        raise AssertionError(f"expected the {len(written)} bytes that were written, got {len(got)} others")


def write(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
