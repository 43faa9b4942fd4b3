"""Drives oss2 (OSS SDK for Python, V1): one JSON job on stdin, one JSON answer as the last line of stdout."""
import json
import sys
import tempfile

import oss2


class Interrupted(Exception):
    pass


# snippet: client-with-sts
def bucket_of(job):
    credentials = oss2.credentials.StaticCredentialsProvider(
        job["accessKeyId"], job["secretAccessKey"], job.get("sessionToken", "")
    )
    auth = oss2.ProviderAuthV4(credentials) if job["signature"] == "v4" else oss2.ProviderAuth(credentials)
    return oss2.Bucket(auth, job["endpoint"], job["bucket"], region=job["region"])
# end


# snippet: put-part-by-url
def put_url(job):
    # The URL carries the signature; endpoint and bucket name are not used.
    bucket = oss2.Bucket(oss2.AnonymousAuth(), "http://unused.invalid", "unused")
    with open(job["file"], "rb") as file:
        file.seek(job["offset"])
        part = oss2.SizedFileAdapter(file, job["sizeBytes"])
        result = bucket.put_object_with_url(job["url"], part, headers=job["headers"])
    return {"status": result.status, "etag": result.etag}
# end


# snippet: upload-with-sts
def upload(job):
    result = oss2.resumable_upload(
        bucket_of(job),
        job["key"],
        job["file"],
        part_size=job["partSizeBytes"],
        multipart_threshold=job["partSizeBytes"],
    )
    return {"etag": result.etag}
# end


def resume(job):
    bucket = bucket_of(job)

    def interrupt_after_two_parts(sent_bytes, _total_bytes):
        if sent_bytes >= 2 * job["partSizeBytes"]:
            raise Interrupted()

    def upload_from_checkpoint(checkpoints, progress_callback=None):
        return oss2.resumable_upload(
            bucket,
            job["key"],
            job["file"],
            store=checkpoints,
            part_size=job["partSizeBytes"],
            multipart_threshold=job["partSizeBytes"],
            num_threads=1,
            progress_callback=progress_callback,
        )

    with tempfile.TemporaryDirectory() as directory:
        checkpoints = oss2.ResumableStore(root=directory)
        try:
            upload_from_checkpoint(checkpoints, interrupt_after_two_parts)
        except Interrupted:
            pass
        result = upload_from_checkpoint(checkpoints)
    return {"resumed": True, "etag": result.etag}


def abort(job):
    bucket = bucket_of(job)
    upload_id = bucket.init_multipart_upload(job["key"]).upload_id
    with open(job["file"], "rb") as file:
        bucket.upload_part(job["key"], upload_id, 1, file.read(job["partSizeBytes"]))
    bucket.abort_multipart_upload(job["key"], upload_id)
    try:
        bucket.list_parts(job["key"], upload_id)
    except oss2.exceptions.NoSuchUpload as error:
        return {"code": error.code}
    return {"code": ""}


def presign_part(job):
    params = {"partNumber": str(job["partNumber"]), "uploadId": job["uploadId"]}
    url = bucket_of(job).sign_url("PUT", job["key"], job["expiresSeconds"], params=params, slash_safe=True)
    return {"url": url}


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
    except oss2.exceptions.OssError as error:
        answer = {"error": {"code": error.code, "status": error.status, "message": error.message}}
    print(json.dumps(answer))


main()
