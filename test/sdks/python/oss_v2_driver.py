"""Drives alibabacloud-oss-v2 (OSS SDK for Python, V2): one JSON job on stdin, one JSON answer as the last line of stdout."""
import datetime
import json
import sys
import tempfile

import alibabacloud_oss_v2 as oss
from oss_v2_upload import client_of, put_part, upload


class Interrupted(Exception):
    pass


def client_for(job):
    return client_of(job["issued"], job["signature"])


def target_of(job):
    return {"bucket": job["issued"]["bucket"], "key": job["issued"]["key"]}


def put_url(job):
    put_part(job["part"], job["file"], job["partSizeBytes"])
    return {}


def upload_file(job, **options):
    target = target_of(job)
    result = upload(
        client_for(job), target["bucket"], target["key"], job["file"], job["partSizeBytes"], **options
    )
    return {"etag": result.etag.strip('"')}


def resume(job):
    def interrupt_after_two_parts(_sent_bytes, sent_in_all, _total_bytes):
        if sent_in_all >= 2 * job["partSizeBytes"]:
            raise Interrupted()

    with tempfile.TemporaryDirectory() as directory:
        options = {"parallel_num": 1, "enable_checkpoint": True, "checkpoint_dir": directory}
        try:
            upload_file(job, progress=interrupt_after_two_parts, **options)
            raise RuntimeError("not interrupted")
        except Interrupted:
            pass
        upload_file({**job, "issued": job["again"]}, **options)
    return {"resumed": True}


def begin(job):
    client, target = client_for(job), target_of(job)
    upload_id = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(**target)).upload_id
    with open(job["file"], "rb") as file:
        part = file.read(job["partSizeBytes"])
    client.upload_part(oss.UploadPartRequest(**target, upload_id=upload_id, part_number=1, body=part))
    return {"uploadId": upload_id}


def abort(job):
    request = oss.AbortMultipartUploadRequest(**target_of(job), upload_id=job["uploadId"])
    client_for(job).abort_multipart_upload(request)
    return {}


def list_parts(job):
    request = oss.ListPartsRequest(**target_of(job), upload_id=job["uploadId"])
    return {"partCount": len(client_for(job).list_parts(request).parts)}


def presign_part(job):
    request = oss.UploadPartRequest(
        **target_of(job), upload_id=job["uploadId"], part_number=job["partNumber"]
    )
    lifetime = datetime.timedelta(seconds=job["expiresSeconds"])
    return {"url": client_for(job).presign(request, expires=lifetime).url}


def error_of(error):
    """What the service said: the SDK wraps it once or twice."""
    while hasattr(error, "unwrap"):
        error = error.unwrap()
    if isinstance(error, oss.exceptions.ServiceError):
        return {"code": error.code, "message": error.message}
    return {"code": type(error).__name__, "message": str(error)}


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
    except (oss.exceptions.BaseError, RuntimeError) as error:
        answer = {"error": error_of(error)}
    print(json.dumps(answer))


main()
