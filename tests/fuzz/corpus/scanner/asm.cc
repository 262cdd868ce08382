asm volatile ("nop\n\t" ".inc" "bin \"a\"" : "=r"(x) : : "memory");
asm(M "\056\x69\u006e");
__asm__ V (R"x(.include "a")x");
#define A asm
