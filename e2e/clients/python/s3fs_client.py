"""A consumer that uses s3fs, unmodified, under delivery `sign`."""

import platform

import s3fs

from protocol import call, serve
from recording_endpoint import choose_endpoint


def build(endpoint):
    """Returns `perform` for `serve`. The endpoint and the credentials come from the environment."""
    # Instances are cached by s3fs, and each caches listings.
    filesystem = s3fs.S3FileSystem(use_listings_cache=False)

    def read(bucket, key):
        return filesystem.cat_file(f"{bucket}/{key}")

    def write(bucket, key, body):
        filesystem.pipe_file(f"{bucket}/{key}", body)

    return lambda op, bucket, key: endpoint.measure(lambda: call(op, bucket, key, (read, write)))


if __name__ == "__main__":
    serve(
        {"sdk": "s3fs", "version": s3fs.__version__, "runtime": f"Python {platform.python_version()}"},
        build(choose_endpoint()),
    )
