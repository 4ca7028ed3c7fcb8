"""Prints a request for every operation of every service, as botocore serializes it: one JSON line each."""

import base64
import json
import sys
from urllib.parse import parse_qsl, quote

import botocore.serialize
import botocore.session

MAX_DEPTH = 4


# Set for each service: the ARNs of its resources have it.
arn_service = ""


def sample(shape, depth=0, name=""):
    """Returns the smallest value of a shape: required members only, the first of an enumeration."""
    kind = shape.type_name
    if kind == "structure":
        if depth > MAX_DEPTH:
            return {}
        if getattr(shape, "is_tagged_union", False):
            name, member = next(iter(shape.members.items()))
            return {name: sample(member, depth + 1, name)}
        return {
            name: sample(member, depth + 1, name)
            for name, member in shape.members.items()
            if name in shape.required_members or member.serialization.get("location") == "uri"
        }
    if kind == "list":
        return [sample(shape.member, depth + 1)] if depth <= MAX_DEPTH else []
    if kind == "map":
        return {sample(shape.key, depth + 1): sample(shape.value, depth + 1)} if depth <= MAX_DEPTH else {}
    if kind == "string":
        if getattr(shape, "enum", None):
            return shape.enum[0]
        if name.lower().endswith(("accountid", "catalogid", "registryid")):
            return "111122223333"
        is_arn = name.lower().endswith("arn")
        return f"arn:aws:{arn_service}:eu-central-1:111122223333:sample/sample-1" if is_arn else "sample-1"
    if kind in ("integer", "long"):
        return 1
    if kind in ("float", "double"):
        return 1.5
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return "2026-01-01T00:00:00Z"
    if kind == "blob":
        return b"sample"
    return "sample-1"


def flatten_query(query):
    pairs = parse_qsl(query, keep_blank_values=True) if isinstance(query, str) else (
        (name, value)
        for name, values in query.items()
        for value in (values if isinstance(values, list) else [values])
    )
    return "&".join(f"{quote(str(name), safe='-_.~')}={quote(str(value), safe='-_.~')}" for name, value in pairs)


def to_bytes(body):
    if hasattr(body, "read"):
        body = body.read()
    return body.encode() if isinstance(body, str) else body


def print_request(service, protocol, operation):
    global arn_service
    arn_service = service.signing_name.lower()
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    shape = operation.input_shape
    request = serializer.serialize_to_request(sample(shape) if shape else {}, operation)
    path, _, static = request["url_path"].partition("?")
    query = "&".join(part for part in (static, flatten_query(request["query_string"])) if part)
    body = request["body"]
    print(json.dumps({
        "signingName": service.signing_name,
        "service": service.service_name,
        "protocol": protocol,
        "operation": operation.name,
        "method": request["method"],
        "target": path + ("?" + query if query else ""),
        "headers": {name.lower(): str(value) for name, value in request["headers"].items()},
        "form": {name: str(value) for name, value in body.items()} if isinstance(body, dict) else None,
        "body": None if isinstance(body, dict) or not body else base64.b64encode(to_bytes(body)).decode(),
    }))


def main():
    session = botocore.session.get_session()
    failed = 0
    for name in session.get_available_services():
        service = session.get_service_model(name)
        protocols = service.metadata.get("protocols", [service.metadata["protocol"]])
        for protocol in protocols:
            if protocol not in botocore.serialize.SERIALIZERS:
                continue
            for operation in service.operation_names:
                try:
                    print_request(service, protocol, service.operation_model(operation))
                except Exception as error:  # Counted: the test fails when a request is missing.
                    failed += 1
                    print(f"{name} {operation} ({protocol}): {error!r}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main())
