#include <a/*b.h>
#include <unterminated
#include "also
#if HI(<x.h>, <y.h>) && '"' && __has_include("z.h")
