"""Uploads with alibabacloud-oss-v2, with credentials or to part URLs. docs/clients.md shows it, the tests run it: keep it
fit to copy."""
# snippet: upload
import alibabacloud_oss_v2 as oss
import requests


def client_of(issued, signature_version="v4"):
    """A client with what `POST /v1/credentials` answered."""
    credentials = oss.credentials.StaticCredentialsProvider(
        issued["accessKeyId"], issued["secretAccessKey"], issued["sessionToken"]
    )
    return oss.Client(
        oss.config.Config(
            endpoint=issued["endpoint"],
            region=issued["region"],
            credentials_provider=credentials,
            signature_version=signature_version,
        )
    )


def upload(client, bucket, key, file, part_size, progress=None, **options):
    """With `enable_checkpoint=True, checkpoint_dir=…` it goes on where it was cut when it is called again."""
    request = oss.PutObjectRequest(bucket=bucket, key=key, progress_fn=progress)
    return client.uploader(part_size=part_size, **options).upload_file(request, file)


def put_part(part, file, part_size):
    """Sends one of the `parts` that `POST /v1/uploads` answered; its `plan` has `partSizeBytes`."""
    with open(file, "rb") as source:
        source.seek((part["partNumber"] - 1) * part_size)
        content = source.read(part["sizeBytes"])
    # The SDK has no call that takes a URL. `requests` adds no Content-Type to bytes, so the signature holds.
    answer = requests.put(part["url"], data=content, headers=part["headers"], timeout=60)
    if answer.status_code != 200:
        raise RuntimeError(f"Part {part['partNumber']}: {answer.status_code} {answer.text}")
# end
