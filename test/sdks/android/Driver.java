// Drives the credential provider of the official Android SDK on a plain JVM: it fetches temporary credentials from an
// authorization server as an app would. One JSON job {"url"} on stdin, one JSON answer as the last line of stdout.
import com.alibaba.sdk.android.oss.ClientException;
import com.alibaba.sdk.android.oss.common.auth.OSSAuthCredentialsProvider;
import com.alibaba.sdk.android.oss.common.auth.OSSFederationToken;
import java.nio.charset.StandardCharsets;
import org.json.JSONException;
import org.json.JSONObject;

public class Driver {
    // snippet: credentials-from-auth-server
    static OSSFederationToken fetchCredentials(String url) throws ClientException {
        return new OSSAuthCredentialsProvider(url).getFederationToken();
    }
    // end

    static JSONObject answer(JSONObject job) throws JSONException {
        try {
            OSSFederationToken token = fetchCredentials(job.getString("url"));
            return new JSONObject()
                .put("accessKeyId", token.getTempAK())
                .put("secretAccessKey", token.getTempSK())
                .put("sessionToken", token.getSecurityToken())
                .put("expiresAtSeconds", token.getExpiration());
        } catch (ClientException failed) {
            JSONObject error = new JSONObject().put("code", "").put("status", 0);
            return new JSONObject().put("error", error.put("message", failed.getMessage()));
        }
    }

    public static void main(String[] arguments) throws Exception {
        String job = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        System.out.println(answer(new JSONObject(job)));
    }
}
