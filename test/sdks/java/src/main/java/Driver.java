// Drives aliyun-sdk-oss (Java): one JSON job on stdin, one JSON answer as the last line of stdout.
import com.aliyun.oss.ClientBuilderConfiguration;
import com.aliyun.oss.ClientException;
import com.aliyun.oss.HttpMethod;
import com.aliyun.oss.OSS;
import com.aliyun.oss.OSSException;
import com.aliyun.oss.common.auth.RequestSigner;
import com.aliyun.oss.common.comm.SignVersion;
import com.aliyun.oss.model.AbortMultipartUploadRequest;
import com.aliyun.oss.model.GeneratePresignedUrlRequest;
import com.aliyun.oss.model.InitiateMultipartUploadRequest;
import com.aliyun.oss.model.ListPartsRequest;
import com.aliyun.oss.model.UploadPartRequest;
import com.google.gson.Gson;
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

public class Driver {
    record Job(
        String action, Upload.Issued issued, Upload.Issued again, Upload.Part part, String signature,
        String file, long partSizeBytes, String uploadId, int partNumber, long expiresSeconds) {}

    interface Work {
        Object by(OSS client) throws Throwable;
    }

    static Object with(OSS client, Work work) throws Throwable {
        try {
            return work.by(client);
        } finally {
            client.shutdown();
        }
    }

    static OSS clientFor(Job job, RequestSigner... hooks) {
        return clientFor(job, job.issued, hooks);
    }

    static OSS clientFor(Job job, Upload.Issued issued, RequestSigner... hooks) {
        if (job.signature.equals("v4") && hooks.length == 0) return Upload.clientOf(issued);
        ClientBuilderConfiguration configuration = new ClientBuilderConfiguration();
        configuration.setSignatureVersion(job.signature.equals("v4") ? SignVersion.V4 : SignVersion.V1);
        configuration.setSignerHandlers(List.of(hooks));
        return Upload.clientOf(issued, configuration);
    }

    static Object putUrl(Job job) throws IOException {
        Upload.putPart(job.part, job.file, job.partSizeBytes);
        return Map.of();
    }

    static String upload(OSS client, Job job, Path checkpoint) throws Throwable {
        return Upload.upload(client, job.issued, job.file, job.partSizeBytes, checkpoint.toString())
            .getMultipartUploadResult()
            .getETag();
    }

    static Object uploadOnce(Job job, Path directory) throws Throwable {
        Path checkpoint = directory.resolve("upload.ucp");
        return with(clientFor(job), client -> Map.of("etag", upload(client, job, checkpoint)));
    }

    static Object resume(Job job, Path directory) throws Throwable {
        // The SDK calls this hook before it signs; it refuses every part after the second.
        AtomicInteger parts = new AtomicInteger();
        OSS interrupted = clientFor(job, message -> {
            if (message.getParameters().containsKey("partNumber") && parts.incrementAndGet() > 2) {
                throw new ClientException("interrupted");
            }
        });
        with(interrupted, client -> {
            try {
                upload(client, job, directory.resolve("upload.ucp"));
            } catch (ClientException expected) {
                return null;
            }
            throw new IllegalStateException("not interrupted");
        });
        with(clientFor(job, job.again), client -> upload(client, job, directory.resolve("upload.ucp")));
        return Map.of("resumed", true);
    }

    interface InDirectory {
        Object run(Job job, Path directory) throws Throwable;
    }

    static Object inDirectory(Job job, InDirectory action) throws Throwable {
        Path directory = Files.createTempDirectory("checkpoints-");
        try {
            return action.run(job, directory);
        } finally {
            Files.deleteIfExists(directory.resolve("upload.ucp"));
            Files.delete(directory);
        }
    }

    static Object begin(Job job, OSS client) throws IOException {
        String bucket = job.issued.bucket(), key = job.issued.key();
        try (InputStream part = new BufferedInputStream(new FileInputStream(job.file))) {
            String uploadId =
                client.initiateMultipartUpload(new InitiateMultipartUploadRequest(bucket, key)).getUploadId();
            client.uploadPart(new UploadPartRequest(bucket, key, uploadId, 1, part, job.partSizeBytes));
            return Map.of("uploadId", uploadId);
        }
    }

    static Object abort(Job job, OSS client) {
        client.abortMultipartUpload(
            new AbortMultipartUploadRequest(job.issued.bucket(), job.issued.key(), job.uploadId));
        return Map.of();
    }

    static Object list(Job job, OSS client) {
        ListPartsRequest request = new ListPartsRequest(job.issued.bucket(), job.issued.key(), job.uploadId);
        return Map.of("partCount", client.listParts(request).getParts().size());
    }

    static Object presignPart(Job job, OSS client) {
        GeneratePresignedUrlRequest request =
            new GeneratePresignedUrlRequest(job.issued.bucket(), job.issued.key(), HttpMethod.PUT);
        request.addQueryParameter("partNumber", String.valueOf(job.partNumber));
        request.addQueryParameter("uploadId", job.uploadId);
        request.setExpiration(new Date(System.currentTimeMillis() + job.expiresSeconds * 1000));
        return Map.of("url", client.generatePresignedUrl(request).toString());
    }

    static Object run(Job job) throws Throwable {
        return switch (job.action) {
            case "put-url" -> putUrl(job);
            case "upload" -> inDirectory(job, Driver::uploadOnce);
            case "resume" -> inDirectory(job, Driver::resume);
            case "begin" -> with(clientFor(job), client -> begin(job, client));
            case "abort" -> with(clientFor(job), client -> abort(job, client));
            case "list" -> with(clientFor(job), client -> list(job, client));
            case "presign-part" -> with(clientFor(job), client -> presignPart(job, client));
            default -> throw new IllegalArgumentException("no such action: " + job.action);
        };
    }

    static Object errorOf(String code, String message) {
        return Map.of("error", Map.of("code", code, "message", message));
    }

    public static void main(String[] arguments) throws Throwable {
        Gson gson = new Gson();
        Job job = gson.fromJson(new InputStreamReader(System.in, StandardCharsets.UTF_8), Job.class);
        Object answer;
        try {
            answer = run(job);
        } catch (OSSException refused) {
            answer = errorOf(refused.getErrorCode(), refused.getErrorMessage());
        } catch (ClientException failed) {
            answer = errorOf(failed.getErrorCode(), failed.getMessage());
        }
        System.out.println(gson.toJson(answer));
    }
}
