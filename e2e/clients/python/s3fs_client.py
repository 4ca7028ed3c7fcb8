"""A consumer that uses s3fs, unmodified, under delivery `sign`."""

import platform

import s3fs

from protocol import serve
from recording_endpoint import choose_endpoint


def build(endpoint):
    """Returns `perform` for `serve`. The endpoint and the credentials come from the environment."""
    # Instances are cached by s3fs, and each caches listings.
    filesystem = s3fs.S3FileSystem(use_listings_cache=False)

    def perform(op, bucket, key):
        path = f"{bucket}/{key}"
        if op == "get":
            return endpoint.measure(lambda: filesystem.cat_file(path))
        return endpoint.measure(lambda: filesystem.pipe_file(path, b"written by a client\n"))

    return perform


if __name__ == "__main__":
    serve(
        {"sdk": "s3fs", "version": s3fs.__version__, "runtime": f"Python {platform.python_version()}"},
        build(choose_endpoint()),
    )
