"""A client of Vault with nothing but its environment: VAULT_ADDR and VAULT_TOKEN.

Usage: hvac_client.py OPERATION PATH
OPERATION is "read" or "list", or with a path of KV version 2 below the mount "secret" "list-kv" (the method LIST) or
"list-kv-strictly" (a GET in its place).
Prints {"data": …}, or {"errors": …} of a refusal, as JSON.
"""

import json
import sys

import hvac


def list_kv(client, path):
    return client.secrets.kv.v2.list_secrets(path, mount_point="secret")


operations = {
    "read": lambda path: hvac.Client().read(path),
    "list": lambda path: hvac.Client().list(path),
    "list-kv": lambda path: list_kv(hvac.Client(), path),
    "list-kv-strictly": lambda path: list_kv(hvac.Client(strict_http=True), path),
}
operation, path = sys.argv[1:]
try:
    found = operations[operation](path)
    print(json.dumps({} if found is None else {"data": found["data"]}))
except hvac.exceptions.VaultError as error:
    print(json.dumps({"errors": error.errors or [str(error)]}))
