"""Uploads with oss2, with credentials or to part URLs. docs/clients.md shows it, the tests run it: keep it fit to copy."""
# snippet: upload
import oss2


def bucket_of(issued, auth=oss2.ProviderAuthV4):
    """A client with what `POST /v1/credentials` answered."""
    credentials = oss2.credentials.StaticCredentialsProvider(
        issued["accessKeyId"], issued["secretAccessKey"], issued["sessionToken"]
    )
    return oss2.Bucket(auth(credentials), issued["endpoint"], issued["bucket"], region=issued["region"])


def upload(bucket, key, file, part_size, **options):
    """Called again after it was cut, it goes on: `store=oss2.ResumableStore(root=…)` says where it keeps its notes."""
    return oss2.resumable_upload(bucket, key, file, part_size=part_size, multipart_threshold=part_size, **options)


def put_part(part, file, part_size):
    """Sends one of the `parts` that `POST /v1/uploads` answered; its `plan` has `partSizeBytes`."""
    # The URL carries the signature; endpoint and bucket name are not used.
    bucket = oss2.Bucket(oss2.AnonymousAuth(), "http://unused.invalid", "unused")
    with open(file, "rb") as source:
        source.seek((part["partNumber"] - 1) * part_size)
        content = oss2.SizedFileAdapter(source, part["sizeBytes"])
        bucket.put_object_with_url(part["url"], content, headers=part["headers"])
# end
