"""A consumer that uses boto3, unmodified, controlled by lines on standard input."""

import platform

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from protocol import HAS_OWN_LIMITS, access_key_in, call, serve
from s3_operations import OPERATIONS

LIMITS = {"connect_timeout": 2, "read_timeout": 10} if HAS_OWN_LIMITS else {}
CONFIG = Config(**LIMITS, s3={"addressing_style": "path"})


def build():
    """Returns `perform` for `serve`; the client is created at its first use, because creation fetches credentials."""
    state = {"client": None, "used": None}

    def note_access_key(request, **_):
        value = request.headers.get("Authorization", "")
        text = value.decode() if isinstance(value, bytes) else value
        state["used"] = access_key_in(text)

    def client():
        if state["client"] is None:
            made = boto3.session.Session().client("s3", config=CONFIG)
            made.meta.events.register("before-send.s3", note_access_key)
            state["client"] = made
        return state["client"]

    def perform(op, bucket, key):
        state["used"] = None
        return {**outcome(lambda: call_s3(client(), op, bucket, key)), "accessKeyId": state["used"]}

    return perform


def call_s3(client, op, bucket, key):
    def read(bucket, key):
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(bucket, key, body):
        client.put_object(Bucket=bucket, Key=key, Body=body)

    if op in OPERATIONS:
        OPERATIONS[op](client, bucket, key)
    else:
        call(op, bucket, key, (read, write))


def outcome(attempt):
    try:
        attempt()
        return {"status": 200}
    except ClientError as error:
        return {
            "status": error.response["ResponseMetadata"].get("HTTPStatusCode"),
            "code": error.response["Error"]["Code"],
            "message": str(error),
        }
    except Exception as error:  # Any error that an agent could get.
        return {"code": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    serve(
        {"sdk": "boto3", "version": boto3.__version__, "runtime": f"Python {platform.python_version()}"},
        build(),
    )
