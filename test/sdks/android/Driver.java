// Drives the official Android SDK on a plain JVM with Android's own classes: it fetches temporary credentials from an
// authorization server and uploads as an app would. One JSON job on stdin, one JSON answer as the last line of stdout.
import android.content.Context;
import android.content.ContextWrapper;
import android.content.SharedPreferences;
import com.alibaba.sdk.android.oss.ClientConfiguration;
import com.alibaba.sdk.android.oss.ClientException;
import com.alibaba.sdk.android.oss.OSS;
import com.alibaba.sdk.android.oss.ServiceException;
import com.alibaba.sdk.android.oss.common.auth.OSSAuthCredentialsProvider;
import com.alibaba.sdk.android.oss.common.auth.OSSFederationToken;
import com.alibaba.sdk.android.oss.model.MultipartUploadRequest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import okhttp3.OkHttpClient;
import org.json.JSONException;
import org.json.JSONObject;

public class Driver {
    // snippet: credentials-from-auth-server
    static OSSFederationToken fetchCredentials(String url) throws ClientException {
        return new OSSAuthCredentialsProvider(url).getFederationToken();
    }
    // end

    static JSONObject fetch(JSONObject job) throws JSONException, ClientException {
        OSSFederationToken token = fetchCredentials(job.getString("url"));
        return new JSONObject()
            .put("accessKeyId", token.getTempAK())
            .put("secretAccessKey", token.getTempSK())
            .put("sessionToken", token.getSecurityToken())
            .put("expiresAtSeconds", token.getExpiration());
    }

    /** An app's context, as far as the SDK asks for it. */
    static final Context APP = new ContextWrapper(null) {
        @Override
        public Context getApplicationContext() {
            return this;
        }

        @Override
        public SharedPreferences getSharedPreferences(String name, int mode) {
            return new Preferences();
        }
    };

    static OSS clientFor(JSONObject job, OkHttpClient network) throws JSONException {
        JSONObject issued = job.getJSONObject("issued");
        ClientConfiguration configuration = new ClientConfiguration();
        // An address like that of the embedded store has no room for the bucket in its name. The SDK takes any that is not
        // listed here for a domain of the bucket's own.
        configuration.setCustomCnameExcludeList(List.of("127.0.0.1"));
        configuration.setPathStyleAccessEnable(true);
        configuration.setHttpDnsEnable(false);
        configuration.setMaxErrorRetry(0);
        configuration.setCheckCRC64(true);
        if (network != null) configuration.setOkHttpClient(network);
        return Upload.clientOf(
            APP, job.getString("url"), issued.getString("endpoint"), issued.getString("region"), configuration);
    }

    static void upload(JSONObject job, OkHttpClient network) throws JSONException, ClientException, ServiceException {
        JSONObject issued = job.getJSONObject("issued");
        Upload.upload(
            clientFor(job, network), issued.getString("bucket"), issued.getString("key"),
            job.getString("file"), job.getLong("partSizeBytes"), job.getString("directory"));
    }

    static JSONObject multipartUpload(JSONObject job) throws JSONException, ClientException, ServiceException {
        JSONObject issued = job.getJSONObject("issued");
        MultipartUploadRequest<?> request = new MultipartUploadRequest<>(
            issued.getString("bucket"), issued.getString("key"), job.getString("file"));
        request.setPartSize(job.getLong("partSizeBytes"));
        return new JSONObject().put("etag", clientFor(job, null).multipartUpload(request).getETag());
    }

    /** Ends as an app does whose network fails for good once the first two parts are stored. */
    static JSONObject interrupt(JSONObject job) throws JSONException {
        CountDownLatch stored = new CountDownLatch(2);
        AtomicBoolean cut = new AtomicBoolean();
        OkHttpClient network = new OkHttpClient.Builder()
            .addInterceptor(chain -> {
                String number = chain.request().url().queryParameter("partNumber");
                boolean kept = "1".equals(number) || "2".equals(number);
                if (number != null && !kept) {
                    try {
                        stored.await(30, TimeUnit.SECONDS);
                    } catch (InterruptedException ignored) {
                        // Then the SDK has given up already.
                    }
                    cut.set(true);
                    throw new IOException("interrupted");
                }
                try {
                    return chain.proceed(chain.request());
                } finally {
                    if (kept) stored.countDown();
                }
            })
            .build();
        try {
            upload(job, network);
        } catch (ClientException | ServiceException expected) {
            return new JSONObject().put("cut", cut.get());
        }
        throw new IllegalStateException("not interrupted");
    }

    static JSONObject run(JSONObject job) throws JSONException, ClientException, ServiceException {
        switch (job.getString("action")) {
            case "fetch":
                return fetch(job);
            case "multipart-upload":
                return multipartUpload(job);
            case "resumable-upload":
                upload(job, null);
                return new JSONObject();
            case "interrupted-upload":
                return interrupt(job);
            default:
                throw new IllegalArgumentException("no such action: " + job.getString("action"));
        }
    }

    static JSONObject errorOf(String code, String message) throws JSONException {
        return new JSONObject().put("error", new JSONObject().put("code", code).put("message", message));
    }

    public static void main(String[] arguments) throws Exception {
        JSONObject job = new JSONObject(new String(System.in.readAllBytes(), StandardCharsets.UTF_8));
        JSONObject answer;
        try {
            answer = run(job);
        } catch (ServiceException refused) {
            answer = errorOf(refused.getErrorCode(), refused.getRawMessage());
        } catch (ClientException failed) {
            answer = errorOf("", failed.getMessage());
        } catch (Throwable unexpected) {
            unexpected.printStackTrace();
            System.exit(1);
            return;
        }
        System.out.println(answer);
        // The SDK's own threads would keep the process alive.
        System.exit(0);
    }
}
