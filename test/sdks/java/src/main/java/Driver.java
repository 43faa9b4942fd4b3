// Drives aliyun-sdk-oss (Java): one JSON job on stdin, one JSON answer as the last line of stdout.
import com.aliyun.oss.ClientBuilderConfiguration;
import com.aliyun.oss.ClientException;
import com.aliyun.oss.HttpMethod;
import com.aliyun.oss.OSS;
import com.aliyun.oss.OSSClientBuilder;
import com.aliyun.oss.OSSException;
import com.aliyun.oss.common.auth.DefaultCredentialProvider;
import com.aliyun.oss.common.auth.DefaultCredentials;
import com.aliyun.oss.common.auth.RequestSigner;
import com.aliyun.oss.common.comm.SignVersion;
import com.aliyun.oss.model.AbortMultipartUploadRequest;
import com.aliyun.oss.model.GeneratePresignedUrlRequest;
import com.aliyun.oss.model.InitiateMultipartUploadRequest;
import com.aliyun.oss.model.ListPartsRequest;
import com.aliyun.oss.model.UploadFileRequest;
import com.aliyun.oss.model.UploadFileResult;
import com.aliyun.oss.model.UploadPartRequest;
import com.google.gson.Gson;
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

public class Driver {
    static class Job {
        String action, url, endpoint, region, bucket, key, accessKeyId, secretAccessKey, sessionToken, signature;
        String file, uploadId;
        Map<String, String> headers;
        long offset, sizeBytes, partSizeBytes, expiresSeconds;
        int partNumber;
    }

    // snippet: client-with-sts
    static OSS clientOf(Job job, RequestSigner... hooks) {
        ClientBuilderConfiguration configuration = new ClientBuilderConfiguration();
        configuration.setSignatureVersion("v1".equals(job.signature) ? SignVersion.V1 : SignVersion.V4);
        configuration.setSignerHandlers(List.of(hooks));
        DefaultCredentials credentials =
            new DefaultCredentials(job.accessKeyId, job.secretAccessKey, job.sessionToken);
        return OSSClientBuilder.create()
            .endpoint(job.endpoint)
            .region(job.region)
            .credentialsProvider(new DefaultCredentialProvider(credentials))
            .clientConfiguration(configuration)
            .build();
    }
    // end

    // snippet: put-part-by-url
    static Object putUrl(Job job) throws IOException {
        // The URL carries the signature; endpoint and credentials are not used.
        OSS client = new OSSClientBuilder().build("http://unused.invalid", "unused", "unused");
        try (InputStream part = new BufferedInputStream(new FileInputStream(job.file))) {
            part.skipNBytes(job.offset);
            String etag = client.putObject(new URL(job.url), part, job.sizeBytes, job.headers).getETag();
            return Map.of("status", 200, "etag", etag);
        } finally {
            client.shutdown();
        }
    }
    // end

    // snippet: upload-with-sts
    static Object upload(Job job) throws Throwable {
        OSS client = clientOf(job);
        try {
            UploadFileRequest request = new UploadFileRequest(job.bucket, job.key);
            request.setUploadFile(job.file);
            request.setPartSize(job.partSizeBytes);
            request.setTaskNum(3);
            return Map.of("etag", etagOf(client.uploadFile(request)));
        } finally {
            client.shutdown();
        }
    }
    // end

    static Object resume(Job job) throws Throwable {
        Path directory = Files.createTempDirectory("checkpoints-");
        UploadFileRequest request = new UploadFileRequest(job.bucket, job.key);
        request.setUploadFile(job.file);
        request.setPartSize(job.partSizeBytes);
        request.setEnableCheckpoint(true);
        request.setCheckpointFile(directory.resolve("upload.ucp").toString());

        // The SDK calls this hook before it signs; it refuses every part after the second.
        AtomicInteger parts = new AtomicInteger();
        OSS interrupted = clientOf(job, message -> {
            if (message.getParameters().containsKey("partNumber") && parts.incrementAndGet() > 2) {
                throw new ClientException("interrupted");
            }
        });
        try {
            interrupted.uploadFile(request);
            throw new IllegalStateException("not interrupted");
        } catch (ClientException expected) {
            interrupted.shutdown();
        }

        OSS client = clientOf(job);
        try {
            String etag = etagOf(client.uploadFile(request));
            return Map.of("resumed", true, "etag", etag);
        } finally {
            client.shutdown();
            Files.deleteIfExists(directory.resolve("upload.ucp"));
            Files.delete(directory);
        }
    }

    static Object abort(Job job) throws IOException {
        OSS client = clientOf(job);
        try (InputStream part = new BufferedInputStream(new FileInputStream(job.file))) {
            String uploadId = client
                .initiateMultipartUpload(new InitiateMultipartUploadRequest(job.bucket, job.key))
                .getUploadId();
            client.uploadPart(
                new UploadPartRequest(job.bucket, job.key, uploadId, 1, part, job.partSizeBytes));
            client.abortMultipartUpload(new AbortMultipartUploadRequest(job.bucket, job.key, uploadId));
            try {
                client.listParts(new ListPartsRequest(job.bucket, job.key, uploadId));
                return Map.of("code", "");
            } catch (OSSException refused) {
                return Map.of("code", refused.getErrorCode());
            }
        } finally {
            client.shutdown();
        }
    }

    static Object presignPart(Job job) {
        OSS client = clientOf(job);
        GeneratePresignedUrlRequest request =
            new GeneratePresignedUrlRequest(job.bucket, job.key, HttpMethod.PUT);
        request.addQueryParameter("partNumber", String.valueOf(job.partNumber));
        request.addQueryParameter("uploadId", job.uploadId);
        request.setExpiration(new Date(System.currentTimeMillis() + job.expiresSeconds * 1000));
        try {
            return Map.of("url", client.generatePresignedUrl(request).toString());
        } finally {
            client.shutdown();
        }
    }

    static String etagOf(UploadFileResult result) {
        return result.getMultipartUploadResult().getETag();
    }

    static Object run(Job job) throws Throwable {
        return switch (job.action) {
            case "put-url" -> putUrl(job);
            case "upload" -> upload(job);
            case "resume" -> resume(job);
            case "abort" -> abort(job);
            case "presign-part" -> presignPart(job);
            default -> throw new IllegalArgumentException("no such action: " + job.action);
        };
    }

    /** The SDK's exception does not tell the HTTP status. */
    static Object errorOf(String code, String message) {
        return Map.of("error", Map.of("code", code, "status", 0, "message", message));
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
