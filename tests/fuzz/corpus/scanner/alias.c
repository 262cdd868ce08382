#ifdef __has_include
#define HI(x) __has_include(x)
#define HJ __has_include
#define K(k) __has_##k
#endif
#if HI("a.h") || HJ(M)
#endif
