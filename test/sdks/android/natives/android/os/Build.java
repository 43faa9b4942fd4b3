// Stands before the class of android-all, whose values come from C code of the system. The SDK reads them for its
// User-Agent and to see what this Android can do.
package android.os;

public class Build {
    public static final String ID = "OPM1";
    public static final String MODEL = "JVM";

    public static class VERSION {
        public static final String RELEASE = "8.1.0";
        public static final int SDK_INT = 27;
    }
}
