// Uploads with alibabacloud-oss-v2 (Java), with credentials or to part URLs. docs/clients.md shows it, the tests run it:
// keep it fit to copy.

// snippet: upload
import com.aliyun.sdk.service.oss2.OSSClient;
import com.aliyun.sdk.service.oss2.OSSClientBuilder;
import com.aliyun.sdk.service.oss2.credentials.StaticCredentialsProvider;
import com.aliyun.sdk.service.oss2.models.PutObjectRequest;
import com.aliyun.sdk.service.oss2.transfermanager.UploadError;
import com.aliyun.sdk.service.oss2.transfermanager.UploadResult;
import com.aliyun.sdk.service.oss2.transfermanager.Uploader;
import com.aliyun.sdk.service.oss2.transfermanager.UploaderOptions;
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;

public class Upload {
    /** What POST /v1/credentials answered. */
    record Issued(
        String endpoint, String region, String bucket, String key,
        String accessKeyId, String secretAccessKey, String sessionToken) {}

    /** One of the parts that POST /v1/uploads answered. */
    record Part(int partNumber, String url, Map<String, String> headers, long sizeBytes) {}

    static OSSClientBuilder builderOf(Issued issued) {
        return OSSClient.newBuilder()
            .endpoint(issued.endpoint())
            .region(issued.region())
            .credentialsProvider(new StaticCredentialsProvider(
                issued.accessKeyId(), issued.secretAccessKey(), issued.sessionToken()));
    }

    /** Called again with the same checkpoint directory, it goes on where it was cut. */
    static UploadResult upload(OSSClient client, Issued issued, String file, long partSize, String checkpoints)
            throws UploadError {
        UploaderOptions options = UploaderOptions.newBuilder()
            .partSize(partSize)
            .enableCheckpoint(true)
            .checkpointDir(checkpoints)
            .build();
        PutObjectRequest request = PutObjectRequest.newBuilder().bucket(issued.bucket()).key(issued.key()).build();
        return new Uploader(client, options).uploadFile(request, file);
    }

    /** The plan that POST /v1/uploads answered has the size of all parts but the last. */
    static void putPart(Part part, String file, long partSize) throws IOException, InterruptedException {
        byte[] content;
        try (InputStream source = new BufferedInputStream(new FileInputStream(file))) {
            source.skipNBytes((part.partNumber() - 1) * partSize);
            content = source.readNBytes((int) part.sizeBytes());
        }
        // The SDK has no call that takes a URL. Java's own client adds no Content-Type, so the signature holds.
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(part.url()))
            .version(HttpClient.Version.HTTP_1_1)
            .timeout(Duration.ofMinutes(1))
            .PUT(HttpRequest.BodyPublishers.ofByteArray(content));
        part.headers().forEach(request::header);
        HttpResponse<String> answer =
            HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IOException("Part " + part.partNumber() + ": " + answer.statusCode() + " " + answer.body());
        }
    }
}
// end
