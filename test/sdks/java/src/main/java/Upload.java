// Uploads with aliyun-sdk-oss, with credentials or to part URLs. docs/clients.md shows it, the tests run it: keep it fit
// to copy.
// snippet: upload
import com.aliyun.oss.ClientBuilderConfiguration;
import com.aliyun.oss.OSS;
import com.aliyun.oss.OSSClientBuilder;
import com.aliyun.oss.common.auth.DefaultCredentialProvider;
import com.aliyun.oss.common.comm.SignVersion;
import com.aliyun.oss.model.UploadFileRequest;
import com.aliyun.oss.model.UploadFileResult;
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.Map;

public class Upload {
    /** What POST /v1/credentials answered. */
    record Issued(
        String endpoint, String region, String bucket, String key,
        String accessKeyId, String secretAccessKey, String sessionToken) {}

    /** One of the parts that POST /v1/uploads answered. */
    record Part(int partNumber, String url, Map<String, String> headers, long sizeBytes) {}

    static OSS clientOf(Issued issued) {
        ClientBuilderConfiguration configuration = new ClientBuilderConfiguration();
        configuration.setSignatureVersion(SignVersion.V4);
        return clientOf(issued, configuration);
    }

    static OSS clientOf(Issued issued, ClientBuilderConfiguration configuration) {
        return OSSClientBuilder.create()
            .endpoint(issued.endpoint())
            .region(issued.region())
            .credentialsProvider(new DefaultCredentialProvider(
                issued.accessKeyId(), issued.secretAccessKey(), issued.sessionToken()))
            .clientConfiguration(configuration)
            .build();
    }

    /** Called again with the same checkpoint file, it goes on where it was cut. */
    static UploadFileResult upload(OSS client, Issued issued, String file, long partSize, String checkpointFile)
            throws Throwable {
        UploadFileRequest request = new UploadFileRequest(issued.bucket(), issued.key());
        request.setUploadFile(file);
        request.setPartSize(partSize);
        request.setEnableCheckpoint(true);
        request.setCheckpointFile(checkpointFile);
        return client.uploadFile(request);
    }

    /** The plan that POST /v1/uploads answered has the size of all parts but the last. */
    static void putPart(Part part, String file, long partSize) throws IOException {
        // The URL carries the signature; endpoint and credentials are not used.
        OSS client = new OSSClientBuilder().build("http://unused.invalid", "unused", "unused");
        try (InputStream content = new BufferedInputStream(new FileInputStream(file))) {
            content.skipNBytes((part.partNumber() - 1) * partSize);
            client.putObject(new URL(part.url()), content, part.sizeBytes(), part.headers());
        } finally {
            client.shutdown();
        }
    }
}
// end
