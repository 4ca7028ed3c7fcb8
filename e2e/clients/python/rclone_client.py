"""A consumer that runs rclone, unmodified, under delivery `sign`. Its path is the first argument."""

import os
import subprocess
import sys
import tempfile

from protocol import HAS_OWN_LIMITS, call, serve
from recording_endpoint import choose_endpoint

REMOTE = "cloud"


def run(program, endpoint, *args):
    settings = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        # The credentials of the container, as of the SDKs.
        "ENV_AUTH": "true",
        "ENDPOINT": f"http://{endpoint.address}",
        "REGION": os.environ["AWS_REGION"],
        "NO_CHECK_BUCKET": "true",
    }
    env = {f"RCLONE_CONFIG_{REMOTE.upper()}_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [program, *args, "--retries", "1", "--low-level-retries", "1"],
        env={**os.environ, **env, "RCLONE_CONFIG": "/nonexistent/rclone.conf"},
        capture_output=True,
        timeout=50 if HAS_OWN_LIMITS else None,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace")[-1000:])


def build(program, endpoint):
    """Returns `perform` for `serve`. Copying one object needs no permission to list, unlike `rclone cat`."""
    local = os.path.join(tempfile.mkdtemp(), "body")

    def copy(source, target):
        run(program, endpoint, "copyto", "--ignore-times", source, target)

    def read(bucket, key):
        copy(f"{REMOTE}:{bucket}/{key}", local)
        with open(local, "rb") as file:
            return file.read()

    def write(bucket, key, body):
        with open(local, "wb") as file:
            file.write(body)
        copy(local, f"{REMOTE}:{bucket}/{key}")
        os.remove(local)

    return lambda op, bucket, key: endpoint.measure(lambda: call(op, bucket, key, (read, write)))


if __name__ == "__main__":
    rclone = sys.argv[1]
    version = subprocess.run([rclone, "version"], capture_output=True, check=True).stdout.decode().split()[1]
    serve({"sdk": "rclone", "version": version, "runtime": "Go"}, build(rclone, choose_endpoint()))
