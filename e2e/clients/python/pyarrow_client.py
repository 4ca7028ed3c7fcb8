"""A consumer that uses pyarrow, and with it the AWS SDK for C++, unmodified."""

import os
import platform

import pyarrow
from pyarrow import fs

from protocol import call, serve
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

    def read(bucket, key):
        with filesystem().open_input_file(f"{bucket}/{key}") as file:
            return file.read()

    def write(bucket, key, body):
        with filesystem().open_output_stream(f"{bucket}/{key}") as file:
            file.write(body)

    return lambda op, bucket, key: endpoint.measure(lambda: call(op, bucket, key, (read, write)))


if __name__ == "__main__":
    serve(
        {"sdk": "pyarrow", "version": pyarrow.__version__, "runtime": f"Python {platform.python_version()}"},
        build(choose_endpoint()),
    )
