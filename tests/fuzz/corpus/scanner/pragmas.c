#pragma once
#pragma GCC system_header
#pragma GCC dependency "a.h"
_Pragma(
"GCC dependency <b.h>")
P(clang dependency "c.h")
#embed <e.bin>
