"""Files for an object store: {"action": …, "key": …}. The store speaks as much of S3 as is asked here."""

import gzip
import os
import threading

import boto3
import store

os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-central-1"}
PLACE = "http://127.0.0.1:9010"
threading.Thread(target=store.serve, args=(9010,), daemon=True).start()
client = boto3.client("s3", endpoint_url=PLACE)


def upload(event):
    data = (event.get("text", "hello") * event.get("times", 1)).encode()
    data = gzip.compress(data) if event.get("compress") else data
    client.put_object(Bucket="files", Key=event["key"], Body=data, ContentType="text/plain")
    return {"bytes": len(data)}


def download(event):
    answer = client.get_object(Bucket="files", Key=event["key"])
    return {"text": answer["Body"].read().decode(), "type": answer["ContentType"]}


def listing(_event):
    return [item["Key"] for item in client.list_objects_v2(Bucket="files").get("Contents", ())]


def link(event):
    made = client.generate_presigned_url("get_object", {"Bucket": "files", "Key": event["key"]}, ExpiresIn=60)
    return made.partition("?")[0]


def copy(event):
    boto3.resource("s3", endpoint_url=PLACE).Object("files", event["key"]).put(Body=b"copied")
    return download(event)


def large(event):
    """By the transfer manager, in threads of its own."""
    with open("/tmp/large", "wb") as file:
        file.write(os.urandom(event.get("bytes", 1 << 20)))
    client.upload_file("/tmp/large", "files", event["key"])
    return client.head_object(Bucket="files", Key=event["key"])["ContentLength"]


def pages(_event):
    found = client.get_paginator("list_objects_v2").paginate(Bucket="files")
    return sum(len(page.get("Contents", ())) for page in found)


def wait(event):
    client.get_waiter("object_exists").wait(Bucket="files", Key=event["key"], WaiterConfig={"MaxAttempts": 1})
    return True


ACTIONS = {
    "upload": upload,
    "download": download,
    "list": listing,
    "link": link,
    "copy": copy,
    "large": large,
    "pages": pages,
    "wait": wait,
}


def handler(event):
    return ACTIONS[event.get("action", "upload")](event)
