"""A consumer that uses pyarrow, and with it the AWS SDK for C++, unmodified."""

import os
import platform

import pyarrow
from pyarrow import fs

from protocol import serve
from recording_endpoint import choose_endpoint


def build(endpoint):
    """Returns `perform` for `serve`; the file system is created at its first use."""
    created = []

    def filesystem():
        if not created:
            created.append(
                fs.S3FileSystem(
                    endpoint_override=endpoint.address,
                    scheme="http",
                    region=os.environ.get("AWS_REGION", "us-east-1"),
                    # Writes a small object with one request, not with a multipart upload.
                    allow_delayed_open=True,
                )
            )
        return created[0]

    def read(path):
        with filesystem().open_input_file(path) as file:
            file.read()

    def write(path):
        with filesystem().open_output_stream(path) as file:
            file.write(b"written by a client\n")

    def perform(op, bucket, key):
        attempt = read if op == "get" else write
        return endpoint.measure(lambda: attempt(f"{bucket}/{key}"))

    return perform


if __name__ == "__main__":
    serve(
        {"sdk": "pyarrow", "version": pyarrow.__version__, "runtime": f"Python {platform.python_version()}"},
        build(choose_endpoint()),
    )
