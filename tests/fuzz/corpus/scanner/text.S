#include "a.h"
# it's a comment
	.incbin "b"
	.macro x
	.endm
	.include "c"
