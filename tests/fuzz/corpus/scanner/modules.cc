module;
#include <a.h>
export module a.b [[x]];
import <vector>;
export import :part;
@import Foo;
int import = 3; module->x();
