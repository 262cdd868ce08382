#include <a.h>
/* x
*/ %: include "b.h"
??=include <c.h>
#incl\
ude <d.h>