"""A consumer that uses DuckDB with its extension httpfs, unmodified, under delivery `sign`."""

import json
import os
import urllib.request

import duckdb
import duckdb_extensions

from protocol import call, serve
from recording_endpoint import choose_endpoint


def get_credentials():
    """DuckDB has no provider for container credentials without its extension aws, so the application asks."""
    with open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"], encoding="utf-8") as file:
        headers = {"Authorization": file.read().strip()}
    request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def build(endpoint):
    """Returns `perform` for `serve`; each call has a secret of its own, because runs end."""
    # Its own folder for the extension: the home of an agent may be read-only.
    folder = os.environ.get("TMPDIR", "/tmp") + f"/duckdb-{os.getpid()}"
    database = duckdb.connect(config={"extension_directory": folder})
    duckdb_extensions.import_extension("httpfs", con=database)
    database.load_extension("httpfs")

    def renew_secret():
        keys = get_credentials()
        database.execute(
            "CREATE OR REPLACE SECRET cloud (TYPE s3, KEY_ID $1, SECRET $2, SESSION_TOKEN $3, REGION $4,"
            " ENDPOINT $5, URL_STYLE 'path', USE_SSL false)",
            [keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"], os.environ["AWS_REGION"], endpoint.address],
        )

    def read(bucket, key):
        renew_secret()
        rows = database.execute("SELECT content FROM read_blob($1)", [f"s3://{bucket}/{key}"]).fetchall()
        if len(rows) != 1:
            raise FileNotFoundError(f"{key}: expected one object, found {len(rows)}")
        return rows[0][0]

    def write(bucket, key, body):
        renew_secret()
        database.execute("CREATE OR REPLACE TEMP TABLE body (content BLOB)")
        database.execute("INSERT INTO body VALUES ($1)", [body])
        database.execute(f"COPY body TO 's3://{bucket}/{key}' (FORMAT blob)")

    return lambda op, bucket, key: endpoint.measure(lambda: call(op, bucket, key, (read, write)))


if __name__ == "__main__":
    serve(
        {"sdk": "duckdb", "version": duckdb.__version__, "runtime": "httpfs"},
        build(choose_endpoint()),
    )
