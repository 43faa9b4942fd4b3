"""Drives oss2 (OSS SDK for Python, V1): one JSON job on stdin, one JSON answer as the last line of stdout."""
import json
import sys
import tempfile

import oss2
from oss2_upload import bucket_of, put_part, upload


class Interrupted(Exception):
    pass


def bucket_for(job):
    return bucket_of(job["issued"], oss2.ProviderAuthV4 if job["signature"] == "v4" else oss2.ProviderAuth)


def put_url(job):
    put_part(job["part"], job["file"], job["partSizeBytes"])
    return {}


def upload_file(job):
    with tempfile.TemporaryDirectory() as directory:
        store = oss2.ResumableStore(root=directory)
        result = upload(bucket_for(job), job["issued"]["key"], job["file"], job["partSizeBytes"], store=store)
    return {"etag": result.etag}


def resume(job):
    source = job["issued"]["key"], job["file"], job["partSizeBytes"]

    def interrupt_after_two_parts(sent_bytes, _total_bytes):
        if sent_bytes >= 2 * job["partSizeBytes"]:
            raise Interrupted()

    with tempfile.TemporaryDirectory() as directory:
        store = oss2.ResumableStore(root=directory)
        try:
            bucket = bucket_for(job)
            upload(bucket, *source, store=store, num_threads=1, progress_callback=interrupt_after_two_parts)
            raise RuntimeError("not interrupted")
        except Interrupted:
            pass
        upload(bucket_for({**job, "issued": job["again"]}), *source, store=store, num_threads=1)
    return {"resumed": True}


def begin(job):
    bucket, key = bucket_for(job), job["issued"]["key"]
    upload_id = bucket.init_multipart_upload(key).upload_id
    with open(job["file"], "rb") as file:
        bucket.upload_part(key, upload_id, 1, file.read(job["partSizeBytes"]))
    return {"uploadId": upload_id}


def abort(job):
    bucket_for(job).abort_multipart_upload(job["issued"]["key"], job["uploadId"])
    return {}


def list_parts(job):
    return {"partCount": len(bucket_for(job).list_parts(job["issued"]["key"], job["uploadId"]).parts)}


def presign_part(job):
    params = {"partNumber": str(job["partNumber"]), "uploadId": job["uploadId"]}
    key, seconds = job["issued"]["key"], job["expiresSeconds"]
    return {"url": bucket_for(job).sign_url("PUT", key, seconds, params=params, slash_safe=True)}


ACTIONS = {
    "put-url": put_url,
    "upload": upload_file,
    "resume": resume,
    "begin": begin,
    "abort": abort,
    "list": list_parts,
    "presign-part": presign_part,
}


def main():
    job = json.load(sys.stdin)
    try:
        answer = ACTIONS[job["action"]](job)
    except oss2.exceptions.OssError as error:
        answer = {"error": {"code": error.code, "message": error.message}}
    print(json.dumps(answer))


main()
