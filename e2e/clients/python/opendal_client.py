"""A consumer that uses OpenDAL, unmodified: its operators do not retry unless the application adds a layer."""

import os
import platform
from importlib.metadata import version

import opendal

from protocol import call, serve
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

    def read(bucket, key):
        return operator(bucket).read(key)

    def write(bucket, key, body):
        operator(bucket).write(key, body)

    return lambda op, bucket, key: endpoint.measure(lambda: call(op, bucket, key, (read, write)))


if __name__ == "__main__":
    serve(
        {"sdk": "opendal", "version": version("opendal"), "runtime": f"Python {platform.python_version()}"},
        build(choose_endpoint()),
    )
