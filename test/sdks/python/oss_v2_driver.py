"""Drives alibabacloud-oss-v2 (OSS SDK for Python, V2): one JSON job on stdin, one JSON answer as the last line of stdout."""
import datetime
import json
import sys
import tempfile

import alibabacloud_oss_v2 as oss
import requests


class Interrupted(Exception):
    pass


# snippet: client-with-sts
def client_of(job):
    credentials = oss.credentials.StaticCredentialsProvider(
        job["accessKeyId"], job["secretAccessKey"], job.get("sessionToken")
    )
    return oss.Client(
        oss.config.Config(
            endpoint=job["endpoint"],
            region=job["region"],
            credentials_provider=credentials,
            signature_version=job.get("signature", "v4"),
        )
    )
# end


# snippet: put-part-by-url
def put_url(job):
    # The SDK has no call that takes a URL. `requests` adds no Content-Type to bytes, so the signature holds.
    with open(job["file"], "rb") as file:
        file.seek(job["offset"])
        part = file.read(job["sizeBytes"])
    answer = requests.put(job["url"], data=part, headers=job["headers"], timeout=60)
    answer.raise_for_status()
    return {"status": answer.status_code, "etag": answer.headers["ETag"].strip('"')}
# end


# snippet: upload-with-sts
def upload(job):
    uploader = client_of(job).uploader(part_size=job["partSizeBytes"])
    result = uploader.upload_file(oss.PutObjectRequest(bucket=job["bucket"], key=job["key"]), job["file"])
    return {"etag": unquoted(result.etag)}
# end


def resume(job):
    client = client_of(job)

    def interrupt_after_two_parts(_sent_bytes, sent_in_all, _total_bytes):
        if sent_in_all >= 2 * job["partSizeBytes"]:
            raise Interrupted()

    def upload_from_checkpoint(checkpoint_dir, progress_fn=None):
        request = oss.PutObjectRequest(bucket=job["bucket"], key=job["key"], progress_fn=progress_fn)
        uploader = client.uploader(
            part_size=job["partSizeBytes"],
            parallel_num=1,
            enable_checkpoint=True,
            checkpoint_dir=checkpoint_dir,
        )
        return uploader.upload_file(request, job["file"])

    with tempfile.TemporaryDirectory() as checkpoint_dir:
        try:
            upload_from_checkpoint(checkpoint_dir, interrupt_after_two_parts)
        except Interrupted:
            pass
        result = upload_from_checkpoint(checkpoint_dir)
    return {"resumed": True, "etag": unquoted(result.etag)}


def abort(job):
    client = client_of(job)
    target = {"bucket": job["bucket"], "key": job["key"]}
    upload_id = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(**target)).upload_id
    with open(job["file"], "rb") as file:
        part = file.read(job["partSizeBytes"])
    client.upload_part(oss.UploadPartRequest(**target, upload_id=upload_id, part_number=1, body=part))
    client.abort_multipart_upload(oss.AbortMultipartUploadRequest(**target, upload_id=upload_id))
    try:
        client.list_parts(oss.ListPartsRequest(**target, upload_id=upload_id))
    except oss.exceptions.OperationError as error:
        return {"code": error.unwrap().code}
    return {"code": ""}


def presign_part(job):
    request = oss.UploadPartRequest(
        bucket=job["bucket"], key=job["key"], upload_id=job["uploadId"], part_number=job["partNumber"]
    )
    lifetime = datetime.timedelta(seconds=job["expiresSeconds"])
    return {"url": client_of(job).presign(request, expires=lifetime).url}


def unquoted(etag):
    return etag.strip('"')


def service_error(error):
    """What the service said: the SDK wraps it once or twice."""
    while hasattr(error, "unwrap"):
        error = error.unwrap()
    return error


def error_of(error):
    cause = service_error(error)
    if isinstance(cause, oss.exceptions.ServiceError):
        return {"code": cause.code, "status": cause.status_code, "message": cause.message}
    return {"code": type(cause).__name__, "status": 0, "message": str(cause)}


ACTIONS = {
    "put-url": put_url,
    "upload": upload,
    "resume": resume,
    "abort": abort,
    "presign-part": presign_part,
}


def main():
    job = json.load(sys.stdin)
    try:
        answer = ACTIONS[job["action"]](job)
    except (oss.exceptions.BaseError, requests.RequestException) as error:
        answer = {"error": error_of(error)}
    print(json.dumps(answer))


main()
