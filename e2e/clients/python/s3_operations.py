"""Operations of boto3 on keys below a prefix, each of which checks its own result."""

MEBIBYTE = 1024 * 1024


def expect_equal(got, expected):
    if got != expected:
        raise AssertionError(f"expected {expected!r}, got {got!r}")


def read(client, bucket, key, **options):
    return client.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


def list_keys(client, bucket, prefix):
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"{prefix}/", PaginationConfig={"PageSize": 2}
    )
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def multipart(client, bucket, prefix):
    target = {"Bucket": bucket, "Key": f"{prefix}/multipart"}
    upload = {**target, "UploadId": client.create_multipart_upload(**target)["UploadId"]}
    parts = []
    for number, body in enumerate([b"a" * 5 * MEBIBYTE, b"b" * 17], start=1):
        tag = client.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"ETag": tag, "PartNumber": number})
    expect_equal(len(client.list_parts(**upload)["Parts"]), 2)
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    expect_equal(client.head_object(**target)["ContentLength"], 5 * MEBIBYTE + 17)


def read_range(client, bucket, prefix):
    key = f"{prefix}/range"
    client.put_object(Bucket=bucket, Key=key, Body=b"0123456789")
    expect_equal(read(client, bucket, key, Range="bytes=2-5"), b"2345")


def list_pages(client, bucket, prefix):
    keys = [f"{prefix}/list/{name}" for name in ("a", "b c", "d+ü")]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    expect_equal(list_keys(client, bucket, f"{prefix}/list"), keys)


def copy(client, bucket, prefix):
    source, target = f"{prefix}/copy from", f"{prefix}/copy-to"
    client.put_object(Bucket=bucket, Key=source, Body=b"copied")
    client.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source})
    expect_equal(read(client, bucket, target), b"copied")


def delete(client, bucket, prefix):
    keys = [f"{prefix}/delete/{name}" for name in ("a&b", "c")]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    expect_equal(answer.get("Errors", []), [])
    expect_equal(list_keys(client, bucket, f"{prefix}/delete"), [])


def tag(client, bucket, prefix):
    target = {"Bucket": bucket, "Key": f"{prefix}/tag"}
    client.put_object(**target, Body=b"x", Tagging="kind=first")
    expect_equal(client.get_object_tagging(**target)["TagSet"], [{"Key": "kind", "Value": "first"}])
    tags = [{"Key": "kind", "Value": "second"}]
    client.put_object_tagging(**target, Tagging={"TagSet": tags})
    expect_equal(client.get_object_tagging(**target)["TagSet"], tags)


OPERATIONS = {
    "multipart": multipart,
    "range": read_range,
    "list": list_pages,
    "copy": copy,
    "delete": delete,
    "tag": tag,
}
