"""A consumer that uses OpenDAL, unmodified: its operators do not retry unless the application adds a layer."""

import os
import platform
from importlib.metadata import version

import opendal

from protocol import serve
from recording_endpoint import choose_endpoint


def build(endpoint):
    """Returns `perform` for `serve`; one operator for each bucket, as an application would keep it."""
    operators = {}

    def operator(bucket):
        if bucket not in operators:
            operators[bucket] = opendal.Operator(
                "s3",
                bucket=bucket,
                endpoint=f"http://{endpoint.address}",
                region=os.environ.get("AWS_REGION", "us-east-1"),
            )
        return operators[bucket]

    def perform(op, bucket, key):
        if op == "get":
            return endpoint.measure(lambda: operator(bucket).read(key))
        return endpoint.measure(lambda: operator(bucket).write(key, b"written by a client\n"))

    return perform


if __name__ == "__main__":
    serve(
        {"sdk": "opendal", "version": version("opendal"), "runtime": f"Python {platform.python_version()}"},
        build(choose_endpoint()),
    )
