"""Runs the unmodified awscli, one process per line on standard input, and responds like the SDK programs.

`--debug` prints the access key and the HTTP status; its output stays in the memory of this process.
"""

import os
import re
import subprocess
import sys
import tempfile

from protocol import HAS_OWN_LIMITS, access_key_in, serve

TIMEOUT_SECONDS = 30 if HAS_OWN_LIMITS else None
LIMITS = ["--cli-connect-timeout", "2", "--cli-read-timeout", "10"] if HAS_OWN_LIMITS else []
AWS = os.path.join(os.path.dirname(sys.executable), "aws")
STATUS = re.compile(r'urllib3\.connectionpool - DEBUG - \S+ "(?:GET|PUT) [^"]*" (\d{3}) ')
ERROR_CODE = re.compile(r"An error occurred \((\w+)\)")
S3_REQUEST = re.compile(r"Sending http request: .*")


def build(folder):
    """Returns `perform` for `serve`; the folder has a configuration and the files that are copied."""
    body, copied = os.path.join(folder, "body"), os.path.join(folder, "copied")
    write_file(body, b"written by a client\n")
    config = os.path.join(folder, "config")
    with open(config, "w", encoding="utf8") as file:
        file.write("[default]\ns3 =\n  addressing_style = path\n")
    environment = {**os.environ, "AWS_CONFIG_FILE": config, "AWS_PAGER": ""}

    def run(*words):
        return outcome([AWS, "--debug", *LIMITS, *words], environment)

    def perform(op, bucket, key):
        if op == "roundtrip":
            return copy_both_ways(bucket, *key.rsplit(" ", 1))
        if op not in ("get", "put"):
            return {"code": "Usage", "message": f"op: expected get, put or roundtrip, got {op!r}"}
        file = ["/dev/null"] if op == "get" else ["--body", body]
        return run("s3api", f"{op}-object", "--bucket", bucket, "--key", key, *file)

    def copy_both_ways(bucket, key, size):
        url = f"s3://{bucket}/{key}"
        content = os.urandom(int(size))
        write_file(body, content)
        answer = run("s3", "cp", body, url)
        if "code" not in answer:
            answer = run("s3", "cp", url, copied)
        if "code" not in answer and read_file(copied) != content:
            return {**answer, "code": "Different", "message": "expected the bytes that were written"}
        return answer

    return perform


def write_file(path, content):
    with open(path, "wb") as file:
        file.write(content)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def outcome(command, environment):
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"code": "Timeout", "message": f"no answer in {TIMEOUT_SECONDS} s"}
    # Requests to the sidecar are sent elsewhere in botocore and carry no Credential=.
    signed = [key for key in map(access_key_in, S3_REQUEST.findall(ended.stderr)) if key]
    answer = {"accessKeyId": signed[-1] if signed else None}
    statuses = STATUS.findall(ended.stderr)
    if signed and statuses:
        answer["status"] = int(statuses[-1])
    if ended.returncode == 0:
        return answer
    last_lines = [line for line in ended.stderr.splitlines() if line.strip()]
    message = last_lines[-1] if last_lines else "it said nothing"
    code = ERROR_CODE.search(message)
    return {**answer, "code": code.group(1) if code else "CredentialsOrNetwork", "message": message}


def version():
    said = subprocess.run([AWS, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[0].removeprefix("aws-cli/"), said.split()[1].replace("/", " ")


if __name__ == "__main__":
    cli, runtime = version()
    with tempfile.TemporaryDirectory() as temporary:
        serve({"sdk": "awscli", "version": cli, "runtime": runtime}, build(temporary))
