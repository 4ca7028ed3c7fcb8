"""Makes calls with clients of botocore, and prints what each returns or raises: one JSON line each.

Standard input is JSON: the endpoint, keys, region, and a list of calls. A parameter `{"$result": [1, "QueueUrl"]}`
is a member of the result of an earlier call.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def resolve(value, results):
    if isinstance(value, dict) and "$result" in value:
        index, member = value["$result"]
        return results[index][member]
    if isinstance(value, dict):
        return {name: resolve(member, results) for name, member in value.items()}
    return [resolve(member, results) for member in value] if isinstance(value, list) else value


def call(plan, request, results):
    client = boto3.client(
        request["service"],
        region_name=plan["region"],
        endpoint_url=plan["endpoint"],
        aws_access_key_id=plan["accessKeyId"],
        aws_secret_access_key=plan["secretAccessKey"],
        aws_session_token=plan["sessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        result = getattr(client, request["operation"])(**resolve(request["parameters"], results))
    except ClientError as error:
        headers = error.response["ResponseMetadata"]["HTTPHeaders"]
        return {"error": error.response["Error"], "code": headers.get("x-valetkey-code")}
    result.pop("ResponseMetadata")
    return {"result": result}


def main():
    plan = json.load(sys.stdin)
    results = []
    for request in plan["calls"]:
        outcome = call(plan, request, results)
        results.append(outcome.get("result", {}))
        print(json.dumps(outcome, default=str))


main()
