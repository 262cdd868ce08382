#if __has_include(<a.h>) && !__has_include_next("b.h") && HI(<c.h>)
#elif __has_include(M)
#endif
