// Preferences of an app, in memory: Android's own keep them in a file by way of its C code. The SDK notes there which upload
// it resumes; what it resumes with is in the record directory.
import android.content.SharedPreferences;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

class Preferences implements SharedPreferences, SharedPreferences.Editor {
    private final Map<String, Object> values = new ConcurrentHashMap<>();

    @SuppressWarnings("unchecked")
    private <Value> Value get(String key, Value otherwise) {
        return (Value) (otherwise == null ? values.get(key) : values.getOrDefault(key, otherwise));
    }

    private Editor put(String key, Object value) {
        values.put(key, value);
        return this;
    }

    public Map<String, ?> getAll() {
        return Map.copyOf(values);
    }

    public String getString(String key, String otherwise) {
        return get(key, otherwise);
    }

    public Set<String> getStringSet(String key, Set<String> otherwise) {
        return get(key, otherwise);
    }

    public int getInt(String key, int otherwise) {
        return get(key, otherwise);
    }

    public long getLong(String key, long otherwise) {
        return get(key, otherwise);
    }

    public float getFloat(String key, float otherwise) {
        return get(key, otherwise);
    }

    public boolean getBoolean(String key, boolean otherwise) {
        return get(key, otherwise);
    }

    public boolean contains(String key) {
        return values.containsKey(key);
    }

    public Editor edit() {
        return this;
    }

    public Editor putString(String key, String value) {
        return put(key, value);
    }

    public Editor putStringSet(String key, Set<String> value) {
        return put(key, value);
    }

    public Editor putInt(String key, int value) {
        return put(key, value);
    }

    public Editor putLong(String key, long value) {
        return put(key, value);
    }

    public Editor putFloat(String key, float value) {
        return put(key, value);
    }

    public Editor putBoolean(String key, boolean value) {
        return put(key, value);
    }

    public Editor remove(String key) {
        values.remove(key);
        return this;
    }

    public Editor clear() {
        values.clear();
        return this;
    }

    public boolean commit() {
        return true;
    }

    public void apply() {}

    public void registerOnSharedPreferenceChangeListener(OnSharedPreferenceChangeListener listener) {
        throw new UnsupportedOperationException();
    }

    public void unregisterOnSharedPreferenceChangeListener(OnSharedPreferenceChangeListener listener) {
        throw new UnsupportedOperationException();
    }
}
