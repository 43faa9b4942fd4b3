// Uploads with the Android SDK and the auth server of Countersign. docs/clients.md shows it, the tests run it: keep it fit
// to copy.
// snippet: upload
import android.content.Context;
import com.alibaba.sdk.android.oss.ClientConfiguration;
import com.alibaba.sdk.android.oss.ClientException;
import com.alibaba.sdk.android.oss.OSS;
import com.alibaba.sdk.android.oss.OSSClient;
import com.alibaba.sdk.android.oss.ServiceException;
import com.alibaba.sdk.android.oss.common.auth.OSSAuthCredentialsProvider;
import com.alibaba.sdk.android.oss.model.ResumableUploadRequest;
import com.alibaba.sdk.android.oss.signer.SignVersion;

public class Upload {
    /** `authServer` is https://…/oss/credentials/{grant}; the rest is what POST /v1/credentials answered. */
    static OSS clientOf(
            Context context, String authServer, String endpoint, String region, ClientConfiguration configuration) {
        configuration.setSignVersion(SignVersion.V4);
        return new OSSClient.Builder()
            .context(context)
            .endpoint(endpoint)
            .region(region)
            .credentialsProvider(new OSSAuthCredentialsProvider(authServer))
            .clientConfiguration(configuration)
            .build();
    }

    /** Called again with the same record directory, it goes on where it was cut. */
    static void upload(OSS client, String bucket, String key, String file, long partSize, String recordDirectory)
            throws ClientException, ServiceException {
        ResumableUploadRequest request = new ResumableUploadRequest(bucket, key, file, recordDirectory);
        request.setPartSize(partSize);
        // The record is worth keeping: a cancelled upload can go on as well.
        request.setDeleteUploadOnCancelling(false);
        client.resumableUpload(request);
    }
}
// end
