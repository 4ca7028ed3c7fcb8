"""A consumer that uses the Rust crate object_store, through its Python binding obstore, unmodified."""

import os
import platform

import obstore
from obstore.store import S3Store

from protocol import call, serve
from recording_endpoint import choose_endpoint


def build(endpoint):
    """Returns `perform` for `serve`; one store for each bucket, as an application would keep it."""
    stores = {}

    def store(bucket):
        if bucket not in stores:
            stores[bucket] = S3Store(
                bucket,
                endpoint=f"http://{endpoint.address}",
                region=os.environ.get("AWS_REGION", "us-east-1"),
                client_options={"allow_http": True},
            )
        return stores[bucket]

    def read(bucket, key):
        return bytes(store(bucket).get(key).bytes())

    def write(bucket, key, body):
        store(bucket).put(key, body)

    return lambda op, bucket, key: endpoint.measure(lambda: call(op, bucket, key, (read, write)))


if __name__ == "__main__":
    serve(
        {
            "sdk": "object_store",
            "version": f"obstore {obstore.__version__}",
            "runtime": f"Python {platform.python_version()}",
        },
        build(choose_endpoint()),
    )
