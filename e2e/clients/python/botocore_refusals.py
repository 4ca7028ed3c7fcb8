"""Calls an endpoint that refuses, and prints what each client of botocore raises: one JSON line each.

Arguments: the endpoint, and codes of refusals. The access key ID of a call says which code is expected.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CALLS = [
    ("rest-xml", "s3", "get_object", {"Bucket": "acme-data", "Key": "a"}),
    ("rest-xml HEAD", "s3", "head_object", {"Bucket": "acme-data", "Key": "a"}),
    ("rest-xml with ErrorResponse", "route53", "list_hosted_zones", {}),
    ("query", "sts", "get_caller_identity", {}),
    ("query", "iam", "list_users", {}),
    ("ec2", "ec2", "describe_instances", {}),
    ("json 1.0", "dynamodb", "get_item", {"TableName": "orders", "Key": {"id": {"S": "1"}}}),
    ("json 1.1", "kms", "describe_key", {"KeyId": "alias/app"}),
    ("json with query errors", "sqs", "send_message", {"QueueUrl": "http://h/1/q", "MessageBody": "m"}),
    ("rest-json", "lambda", "invoke", {"FunctionName": "report"}),
    ("smithy-rpc-v2-cbor", "cloudwatch", "list_metrics", {}),
]


def create_client(service, endpoint, code):
    return boto3.client(
        service,
        region_name="eu-central-1",
        endpoint_url=endpoint,
        aws_access_key_id=code,
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def main(endpoint, *codes):
    for code in codes:
        for protocol, service, operation, parameters in CALLS:
            client = create_client(service, endpoint, code)
            try:
                getattr(client, operation)(**parameters)
                raised = None
            except ClientError as error:
                metadata = error.response["ResponseMetadata"]
                raised = {
                    "type": type(error).__name__,
                    "awsCode": error.response["Error"].get("Code"),
                    "message": error.response["Error"].get("Message"),
                    "status": metadata["HTTPStatusCode"],
                    "requestId": metadata.get("RequestId"),
                    "valetkeyCode": metadata["HTTPHeaders"].get("x-valetkey-code"),
                    "refusal": metadata["HTTPHeaders"].get("x-valetkey-refusal"),
                }
            print(json.dumps({"code": code, "protocol": protocol, "service": service, "raised": raised}))


main(*sys.argv[1:])
