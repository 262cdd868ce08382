f("/*\"", L'x', '"', 1'000, R"d(// */ )d"); // x ??/
# /* y
*/ include <z.h>
#error it's /* odd
