// Drives alibabacloud-oss-v2 (Java): one JSON job on stdin, one JSON answer as the last line of stdout.
import com.aliyun.sdk.service.oss2.OSSClient;
import com.aliyun.sdk.service.oss2.PresignOptions;
import com.aliyun.sdk.service.oss2.exceptions.ServiceException;
import com.aliyun.sdk.service.oss2.models.AbortMultipartUploadRequest;
import com.aliyun.sdk.service.oss2.models.InitiateMultipartUploadRequest;
import com.aliyun.sdk.service.oss2.models.ListPartsRequest;
import com.aliyun.sdk.service.oss2.models.UploadPartRequest;
import com.aliyun.sdk.service.oss2.transfermanager.UploadError;
import com.aliyun.sdk.service.oss2.transport.BinaryData;
import com.google.gson.Gson;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

public class Driver {
    record Job(
        String action, Upload.Issued issued, Upload.Issued again, Upload.Part part, String signature,
        String file, long partSizeBytes, String uploadId, long partNumber, long expiresSeconds) {}

    interface Work {
        Object by(OSSClient client) throws Exception;
    }

    static Object with(Job job, Upload.Issued issued, Work work) throws Exception {
        try (OSSClient client = Upload.builderOf(issued).signatureVersion(job.signature).build()) {
            return work.by(client);
        }
    }

    static Object putUrl(Job job) throws Exception {
        Upload.putPart(job.part, job.file, job.partSizeBytes);
        return Map.of();
    }

    static String upload(OSSClient client, Job job, Path checkpoints) throws UploadError {
        return Upload.upload(client, job.issued, job.file, job.partSizeBytes, checkpoints.toString()).etag();
    }

    static Object uploadOnce(Job job, Path checkpoints) throws Exception {
        return with(job, job.issued, client -> Map.of("etag", upload(client, job, checkpoints).replace("\"", "")));
    }

    static class Cut extends RuntimeException {}

    /** A client that fails for good once the first two parts are stored: the SDK sends several at a time. */
    static OSSClient cutAfterTwoParts(OSSClient client) {
        CountDownLatch stored = new CountDownLatch(2);
        return (OSSClient) Proxy.newProxyInstance(
            OSSClient.class.getClassLoader(),
            new Class<?>[] {OSSClient.class},
            (proxy, method, arguments) -> {
                long partNumber = arguments != null && arguments[0] instanceof UploadPartRequest request
                    ? request.partNumber()
                    : 0;
                if (partNumber > 2) {
                    stored.await();
                    throw new Cut();
                }
                try {
                    return method.invoke(client, arguments);
                } catch (InvocationTargetException failed) {
                    throw failed.getCause();
                } finally {
                    if (partNumber > 0) stored.countDown();
                }
            });
    }

    static Object resume(Job job, Path checkpoints) throws Exception {
        with(job, job.issued, client -> {
            try {
                upload(cutAfterTwoParts(client), job, checkpoints);
            } catch (UploadError expected) {
                if (expected.getCause() instanceof Cut) return null;
                throw expected;
            }
            throw new IllegalStateException("not interrupted");
        });
        with(job, job.again, client -> upload(client, job, checkpoints));
        return Map.of("resumed", true);
    }

    interface InDirectory {
        Object run(Job job, Path directory) throws Exception;
    }

    static Object inDirectory(Job job, InDirectory action) throws Exception {
        Path directory = Files.createTempDirectory("checkpoints-");
        try {
            return action.run(job, directory);
        } finally {
            List<Path> files;
            try (var walk = Files.walk(directory)) {
                files = walk.sorted(Comparator.reverseOrder()).toList();
            }
            for (Path file : files) Files.delete(file);
        }
    }

    static Object begin(Job job, OSSClient client) throws IOException {
        String bucket = job.issued.bucket(), key = job.issued.key();
        String uploadId = client
            .initiateMultipartUpload(InitiateMultipartUploadRequest.newBuilder().bucket(bucket).key(key).build())
            .initiateMultipartUpload()
            .uploadId();
        try (InputStream source = new FileInputStream(job.file)) {
            client.uploadPart(UploadPartRequest.newBuilder()
                .bucket(bucket)
                .key(key)
                .uploadId(uploadId)
                .partNumber(1L)
                .body(BinaryData.fromBytes(source.readNBytes((int) job.partSizeBytes)))
                .build());
        }
        return Map.of("uploadId", uploadId);
    }

    static Object abort(Job job, OSSClient client) {
        client.abortMultipartUpload(AbortMultipartUploadRequest.newBuilder()
            .bucket(job.issued.bucket())
            .key(job.issued.key())
            .uploadId(job.uploadId)
            .build());
        return Map.of();
    }

    static Object list(Job job, OSSClient client) {
        ListPartsRequest request = ListPartsRequest.newBuilder()
            .bucket(job.issued.bucket())
            .key(job.issued.key())
            .uploadId(job.uploadId)
            .build();
        return Map.of("partCount", client.listParts(request).parts().size());
    }

    static Object presignPart(Job job, OSSClient client) {
        UploadPartRequest request = UploadPartRequest.newBuilder()
            .bucket(job.issued.bucket())
            .key(job.issued.key())
            .uploadId(job.uploadId)
            .partNumber(job.partNumber)
            .build();
        PresignOptions options =
            PresignOptions.newBuilder().expiration(Duration.ofSeconds(job.expiresSeconds)).build();
        return Map.of("url", client.presign(request, options).url());
    }

    static Object run(Job job) throws Exception {
        return switch (job.action) {
            case "put-url" -> putUrl(job);
            case "upload" -> inDirectory(job, Driver::uploadOnce);
            case "resume" -> inDirectory(job, Driver::resume);
            case "begin" -> with(job, job.issued, client -> begin(job, client));
            case "abort" -> with(job, job.issued, client -> abort(job, client));
            case "list" -> with(job, job.issued, client -> list(job, client));
            case "presign-part" -> with(job, job.issued, client -> presignPart(job, client));
            default -> throw new IllegalArgumentException("no such action: " + job.action);
        };
    }

    static Object errorOf(Exception failed) {
        ServiceException refused = ServiceException.asCause(failed);
        return Map.of("error", refused == null
            ? Map.of("code", "", "message", String.valueOf(failed.getMessage()))
            : Map.of("code", refused.errorCode(), "message", refused.errorMessage()));
    }

    public static void main(String[] arguments) {
        Gson gson = new Gson();
        Job job = gson.fromJson(new InputStreamReader(System.in, StandardCharsets.UTF_8), Job.class);
        Object answer;
        try {
            answer = run(job);
        } catch (Exception failed) {
            answer = errorOf(failed);
        }
        System.out.println(gson.toJson(answer));
    }
}
