#include <a.h>
#include "b.h"
 # include_next <c.h>
#import "d.h"
#include MACRO
